"""The pcapng format, as dumpcap writes it (https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html)."""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

import numpy as np
import numpy.typing as npt

from rubin.model.batch import Lost
from rubin.model.enums import LostSource
from rubin.sources.records import I64, MOST_BYTES, Interface, Records, gathered, no_records

MAGIC = b"\x0a\x0d\x0d\x0a"
_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 2, 3, 5, 6
_OPTION_NAME, _OPTION_RESOLUTION, _OPTION_OFFSET = 2, 9, 14
_OPTION_INTERFACE_DROPS, _OPTION_SYSTEM_DROPS = 5, 7
_LEAST_BYTES = {_SECTION: 28, _INTERFACE: 20, _OLD_PACKET: 32, _SIMPLE_PACKET: 16, _STATISTICS: 24, _PACKET: 32}
_HEAD_BYTES = {_OLD_PACKET: 28, _SIMPLE_PACKET: 12, _PACKET: 28}
_MOST_INTERFACES = 65_536


@dataclass(frozen=True, slots=True)
class _Clock:
    """How an interface counts time: ticks a second as a power of 10 or 2, and seconds to add."""

    power: int = 6
    binary: bool = False
    offset_s: int = 0

    def nanoseconds(self, ticks: npt.NDArray[np.uint64]) -> I64:
        if self.binary:
            return self._binary(ticks)
        if self.power <= 9:
            return (ticks * np.uint64(10 ** (9 - self.power))).astype(np.int64) + self.offset_s * 1_000_000_000
        whole = ticks // np.uint64(10 ** (self.power - 9)) if self.power <= 28 else ticks * np.uint64(0)
        return whole.astype(np.int64) + self.offset_s * 1_000_000_000

    def _binary(self, ticks: npt.NDArray[np.uint64]) -> I64:
        power = np.uint64(min(self.power, 63))
        seconds, rest = ticks >> power, ticks & ((np.uint64(1) << power) - np.uint64(1))
        coarse = np.uint64(max(int(power) - 32, 0))  # a billion times what is left fits
        parts = ((rest >> coarse) * np.uint64(1_000_000_000)) >> (power - coarse)
        return (seconds * np.uint64(1_000_000_000) + parts).astype(np.int64) + self.offset_s * 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Kind:
    """Packet blocks that are read alike: of one layout, and numbering the same interfaces."""

    block: int
    order: str
    first_interface: int
    end_interface: int


class Pcapng:
    """Finds the packets of a file, over all its sections and their interfaces."""

    def __init__(self) -> None:
        self.interfaces: list[Interface] = []
        self.problem = ""
        self._clocks: list[_Clock] = []
        self._snap_bytes: list[int] = []
        self._order = "<"
        self._first = 0  # of the section's interfaces

    def take(self, data: bytes) -> tuple[Records, int]:
        """The packets of the blocks that lie whole in `data`, and how many bytes were used."""
        places: dict[_Kind, list[int]] = {}
        lost: list[Lost] = []
        at = 0
        while at + 12 <= len(data):
            size = self._block_bytes(data, at)
            if self.problem or at + size > len(data):
                break
            (kind,) = Struct(self._order + "I").unpack_from(data, at)
            if kind in _HEAD_BYTES:
                here = _Kind(kind, self._order, self._first, len(self.interfaces))
                places.setdefault(here, []).append(at)
            else:
                self._read(kind, data, at, size, lost)
            at += size
        return _joined([self._records(data, *one) for one in places.items()], tuple(lost)), at

    def _block_bytes(self, data: bytes, at: int) -> int:
        """The length of a block; of a section's first one, which says the order of bytes, as well."""
        if data[at : at + 4] == MAGIC:
            order = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(data[at + 8 : at + 12])
            if order is None:
                self.problem = "has a section without its mark"
                return 0
            self._order = order
        kind, size = Struct(self._order + "II").unpack_from(data, at)
        if size > MOST_BYTES or size % 4 or size < max(12, _LEAST_BYTES.get(kind, 0)):
            self.problem = f"says of a block that it has {size:,} bytes"
        return int(size)

    def _read(self, kind: int, data: bytes, at: int, size: int, lost: list[Lost]) -> None:
        if kind == _SECTION:
            self._first = len(self.interfaces)
        elif kind == _INTERFACE:
            self._add_interface(data, at, size)
        elif kind == _STATISTICS:
            lost.extend(self._losses(data, at, size))

    def _add_interface(self, data: bytes, at: int, size: int) -> None:
        if len(self.interfaces) >= _MOST_INTERFACES:
            self.problem = f"has more than {_MOST_INTERFACES:,} interfaces"
            return
        link_type, _, snap_bytes = Struct(self._order + "HHI").unpack_from(data, at + 8)
        name, power, binary, offset_s = "", 6, False, 0
        for code, value in self._options(data, at + 16, at + size - 4):
            if code == _OPTION_NAME:
                name = value.split(b"\0")[0].decode("utf-8", "replace")
            elif code == _OPTION_RESOLUTION and len(value) == 1:
                power, binary = value[0] & 0x7F, value[0] > 0x7F
            elif code == _OPTION_OFFSET and len(value) == 8:
                (offset_s,) = Struct(self._order + "q").unpack(value)
        self.interfaces.append(Interface(link_type, name))
        self._clocks.append(_Clock(power, binary, offset_s if abs(offset_s) < 1 << 33 else 0))
        self._snap_bytes.append(snap_bytes)

    def _losses(self, data: bytes, at: int, size: int) -> Iterator[Lost]:
        """What an interface dropped before it could be captured."""
        (number,) = Struct(self._order + "I").unpack_from(data, at + 8)
        number += self._first
        options = self._options(data, at + 20, at + size - 4)
        drops = (_OPTION_INTERFACE_DROPS, _OPTION_SYSTEM_DROPS)
        events = sum(Struct(self._order + "Q").unpack(v)[0] for code, v in options if code in drops and len(v) == 8)
        if events and number < len(self.interfaces):
            high, low = (gathered(data, self._order + "u4", np.array([at + field])) for field in (12, 16))
            time_ns = int(self._clocks[number].nanoseconds(_ticks(high, low))[0])
            yield Lost(LostSource.PERF_EVENT_RING_BUFFER, events, time_ns, place="capture")

    def _options(self, data: bytes, at: int, end: int) -> Iterator[tuple[int, bytes]]:
        while at + 4 <= end:
            code, length = Struct(self._order + "HH").unpack_from(data, at)
            if code == 0 or at + 4 + length > end:
                return
            yield code, data[at + 4 : at + 4 + length]
            at += 4 + (length + 3 & ~3)

    def _records(self, data: bytes, kind: _Kind, places: list[int]) -> Records:
        """The packets of some blocks. Lengths that run out of their block are cut to it."""
        at = np.array(places, np.int64)
        fields = {offset: gathered(data, kind.order + "u4", at + offset) for offset in (4, 8, 12, 16, 20, 24)}
        start = at + _HEAD_BYTES[kind.block]
        if kind.block == _SIMPLE_PACKET:
            lengths, interface, ticks = fields[8], np.zeros(len(at), np.int64), None
            captured = np.minimum(lengths, self._snapped(kind))
        else:
            lengths, captured, ticks = fields[24], fields[20], _ticks(fields[12], fields[16])
            interface = fields[8] if kind.block == _PACKET else gathered(data, kind.order + "u2", at + 8)
        captured = np.minimum(captured, at + fields[4] - 4 - start)
        interface = interface + kind.first_interface
        known = interface < kind.end_interface
        times = np.zeros(len(at), np.int64) if ticks is None else self._times(ticks, np.where(known, interface, -1))
        return Records(start, captured, lengths, times, np.where(known, interface, -1))

    def _snapped(self, kind: _Kind) -> int:
        """How much of a packet is kept where its block does not say it: by the section's first interface."""
        snap_bytes = self._snap_bytes[kind.first_interface] if kind.first_interface < kind.end_interface else 0
        return snap_bytes or MOST_BYTES

    def _times(self, ticks: npt.NDArray[np.uint64], interface: I64) -> I64:
        times = np.zeros(len(ticks), np.int64)
        for number in np.unique(interface[interface >= 0]).tolist():
            rows = interface == number
            times[rows] = self._clocks[number].nanoseconds(ticks[rows])
        return times


def _ticks(high: I64, low: I64) -> npt.NDArray[np.uint64]:
    return high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64)


def _joined(parts: list[Records], lost: tuple[Lost, ...]) -> Records:
    """All packets in the order of the file."""
    if not parts:
        return no_records(lost)
    order = np.argsort(np.concatenate([part.starts for part in parts]), kind="stable")

    def column(name: str) -> I64:
        return np.concatenate([getattr(part, name) for part in parts])[order]

    starts, captured, lengths, time_ns, interface = map(
        column, ("starts", "captured", "lengths", "time_ns", "interface")
    )
    return Records(starts, captured, lengths, time_ns, interface, lost)

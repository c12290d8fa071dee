"""Flows from a capture file or a pipe: one row a packet, and one an exchange of what is said in them."""

import os
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

import numpy as np

from rubin.dissect.openers import Openers
from rubin.dissect.packets import LINK_TYPES, Packets, parse
from rubin.dissect.redaction import REDACTION, Redaction
from rubin.errors import RubinError
from rubin.model.batch import Array, FlowBatch
from rubin.model.enums import EventType, FlowType, TracePoint, TraceReason, Verdict
from rubin.model.tables import Tables
from rubin.sources.classic import FILE_HEAD_BYTES, MAGICS, classic
from rubin.sources.heard import Heard
from rubin.sources.pcapng import MAGIC, Pcapng
from rubin.sources.pieces import Pieces
from rubin.sources.records import Framing, Records
from rubin.sources.shared import Shared

_BEHIND = bytes(8)  # numbers are read where a packet ends, too
_PACKED = {b"\x1f\x8b": "gunzip -c", b"\x28\xb5": "zstdcat", b"\xfd7": "xzcat", b"BZ": "bzcat"}


class Pcap:
    """Iterates batches of what a pcap or pcapng file holds; the path `-` is standard input.

    Where the file cannot be read on, what is good has been handed out before RubinError is raised.
    `packets`, `broken` (headers cut or senseless) and `skipped` (of a link type that is not known)
    count what has been read so far.
    """

    def __init__(self, path: str, redaction: Redaction = REDACTION) -> None:
        self._pieces = Pieces(path, "a pcap or pcapng file")
        self.name = self._pieces.name
        self.packets = self.broken = self.skipped = 0
        # RFC 9562, version 8: 60 random bits of this reading and the version, 62 bits that count and the variant
        self._uuid_high = int.from_bytes(os.urandom(8), "little") & ~0xF000 | 0x8000
        self._openers = Openers()
        self._heard = Heard(self._uuid_high, redaction)
        self._exchanges: list[FlowBatch] = []
        self._shared = Shared(Tables())
        self._strange: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go."""
        self._pieces.close()

    def __iter__(self) -> Iterator[FlowBatch]:
        head = self._head()
        framing, used = self._framing(head)
        data, offset, more = head[used:], used, True
        while more:  # what came with the head is looked at before more is waited for
            records, used = framing.take(data)
            if len(records) or records.lost:
                yield self._batch(data + _BEHIND, records, framing)
                yield from self._said()
            data, offset = data[used:], offset + used
            self._check(framing, offset)
            piece = self._pieces.read()
            data, more = data + piece, bool(piece)
        if (rest := self._heard.rest(self._shared.tables)) is not None:
            yield rest
        if data:
            raise self._unfinished(f"ends in the middle of what begins at byte {offset:,}")
        if not self.packets and not self.skipped:
            raise RubinError(f"{self.name} holds no packets", "see whether the capture's filter let anything pass")
        if self._strange:
            raise RubinError(
                f"{self.skipped:,} packets of {self.name} have link types that are not known: {_listed(self._strange)}",
                f"the other {self.packets:,} packets were read",
            )

    def _said(self) -> Iterator[FlowBatch]:
        """What the packets of the last batch say."""
        said, self._exchanges = self._exchanges, []
        yield from said

    def _head(self) -> bytes:
        head = b""
        while len(head) < FILE_HEAD_BYTES and (piece := self._pieces.read()):
            head += piece
        if not head:
            raise RubinError(f"{self.name} is empty", "see whether the capture ran, and where it wrote to")
        return head

    def _framing(self, head: bytes) -> tuple[Framing, int]:
        """What finds the packets, and how many bytes of the head it needs no more."""
        if any(len(head) < len(magic) and magic.startswith(head) for magic in (MAGIC, *MAGICS)):
            raise self._unfinished("ends in the middle of its head")
        if head.startswith(MAGIC):
            return Pcapng(), 0
        framing = classic(head.ljust(FILE_HEAD_BYTES, b"\0"))
        if framing is None:
            unpack = next((tool for magic, tool in _PACKED.items() if head.startswith(magic)), "")
            way_on = f"unpack it: {unpack} FILE | rubin replay -" if unpack else "pcap and pcapng are read"
            raise RubinError(f"{self.name} is no capture", way_on)
        if len(head) < FILE_HEAD_BYTES:
            raise self._unfinished("ends in the middle of its head")
        (interface,) = framing.interfaces
        if interface.link_type not in LINK_TYPES:
            raise RubinError(
                f"the packets of {self.name} have link type {interface.link_type}, which is not known",
                f"capture on another interface; known are {_listed(LINK_TYPES)} (tcpdump.org/linktypes.html)",
            )
        return framing, FILE_HEAD_BYTES

    def _check(self, framing: Framing, offset: int) -> None:
        if framing.problem:
            raise self._unfinished(f"is damaged: at byte {offset:,} it {framing.problem}")

    def _unfinished(self, what: str) -> RubinError:
        return RubinError(f"{self.name} {what}", f"the {self.packets:,} packets before that were read")

    def _batch(self, data: bytes, records: Records, framing: Framing) -> FlowBatch:
        """One row a packet, but those of link types that are not known."""
        self._shared = self._shared.or_new()
        view = np.frombuffer(data, np.uint8)
        links = np.array([interface.link_type for interface in framing.interfaces] or [-1])
        types = np.where(records.interface < 0, -1, links[records.interface])
        parts: list[tuple[Array, dict[str, Array]]] = []
        for link_type in np.unique(types).tolist():
            rows = np.flatnonzero(types == link_type)
            if link_type not in LINK_TYPES:
                self.skipped += len(rows)
                self._strange.add(link_type)
                continue
            packets = parse(view, records.starts[rows], records.captured[rows], records.lengths[rows], link_type)
            self.broken += int(packets.broken.sum())
            times = {"time_ns": np.maximum(records.time_ns[rows], 0)}
            if (said := self._heard.read(view, packets, times, self._shared.tables)) is not None:
                self._exchanges.append(said)
            names = [interface.name for interface in framing.interfaces]
            parts.append((rows, self._columns(packets, records.interface[rows], names)))
        columns = _in_order(parts)
        rows = columns.pop("row", np.zeros(0, np.int64))
        columns["uuid_high"] = np.full(len(rows), self._uuid_high, np.uint64)
        columns["uuid_low"] = np.arange(self.packets, self.packets + len(rows), dtype=np.uint64) | np.uint64(1 << 63)
        self.packets += len(rows)
        columns["time_ns"] = np.maximum(records.time_ns[rows], 0)
        if len(rows):
            columns.update(self._directions(columns))
        return FlowBatch(columns, self._shared.tables, records.lost)

    def _columns(self, packets: Packets, interface: Array, names: list[str]) -> dict[str, Array]:
        columns = dict(packets.columns)
        columns["link"] = self._shared.links(packets.frames, interface, names)
        columns["contents"] = self._shared.tunnels(packets)
        return columns

    def _directions(self, columns: dict[str, Array]) -> dict[str, Array]:
        """What holds of every packet that passed, and who answers whom."""
        n = len(columns["time_ns"])
        reply, new = self._openers.replies(columns)
        # by is_reply; -1, not known, takes the last
        reasons = np.array([TraceReason.ESTABLISHED, TraceReason.REPLY, TraceReason.TRACE_REASON_UNKNOWN])
        return {
            "verdict": np.full(n, Verdict.FORWARDED),
            "flow_type": np.full(n, FlowType.L3_L4),
            "event_type": np.full(n, EventType.TRACE),
            "event_sub_type": np.full(n, TracePoint.FROM_NETWORK.sub_type),
            "trace_point": np.full(n, TracePoint.FROM_NETWORK),
            "trace_reason": np.where(new & (reply == 0), TraceReason.NEW, reasons[reply]),
            "is_reply": reply,
            "packets": np.ones(n),
        }


def _in_order(parts: list[tuple[Array, dict[str, Array]]]) -> dict[str, Array]:
    """The columns of all parts in the order of the file, and `row`, where each was."""
    if not parts:
        return {}
    row = np.concatenate([rows for rows, _ in parts])
    order = np.argsort(row, kind="stable")
    joined = {name: np.concatenate([columns[name] for _, columns in parts])[order] for name in parts[0][1]}
    return {**joined, "row": row[order]}


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))

"""The pcap format, as tcpdump writes it (https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-05.html)."""

from struct import Struct

import numpy as np

from rubin.sources.records import MOST_BYTES, Interface, Records, gathered, no_records

FILE_HEAD_BYTES = 24
_RECORD_HEAD_BYTES = 16
_MICROSECONDS, _NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
MAGICS = tuple(magic.to_bytes(4, order) for magic in (_MICROSECONDS, _NANOSECONDS) for order in ("little", "big"))


class Classic:
    """Finds the packets behind the head of a file."""

    def __init__(self, order: str, unit_ns: int, link_type: int) -> None:
        self._order = order
        self._unit_ns = unit_ns
        self._length_at = Struct(order + "I").unpack_from
        self.interfaces = [Interface(link_type)]
        self.problem = ""

    def take(self, data: bytes) -> tuple[Records, int]:
        """The packets that lie whole in `data`, and how many bytes were used."""
        places, at = self._places(data)
        if not places:
            return no_records(), at
        heads = np.array(places, np.int64)
        seconds, parts, captured, lengths = (
            gathered(data, self._order + "u4", heads + field) for field in (0, 4, 8, 12)
        )
        times = seconds * 1_000_000_000 + parts * self._unit_ns
        return Records(heads + _RECORD_HEAD_BYTES, captured, lengths, times, np.zeros(len(heads), np.int64)), at

    def _places(self, data: bytes) -> tuple[list[int], int]:
        """Where the heads of whole packets are. One after another: each says where the next one is."""
        places: list[int] = []
        at, end, length_at = 0, len(data), self._length_at
        while at + _RECORD_HEAD_BYTES <= end:
            (length,) = length_at(data, at + 8)
            if length > MOST_BYTES:
                self.problem = f"says of a packet that it has {length:,} bytes"
                break
            following = at + _RECORD_HEAD_BYTES + length
            if following > end:
                break
            places.append(at)
            at = following
        return places, at


def classic(head: bytes) -> Classic | None:
    """The framing that the first 24 bytes of a file ask for; None where it is not pcap."""
    for order in "<", ">":
        magic, *_, network = Struct(order + "IHHIIII").unpack_from(head)
        if magic in (_MICROSECONDS, _NANOSECONDS):
            unit_ns = 1_000 if magic == _MICROSECONDS else 1
            return Classic(order, unit_ns, network & 0xFFFF)  # above are flags about the frame check sequence
    return None

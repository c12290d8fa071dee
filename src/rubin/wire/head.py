"""The fixed-width beginning of each `GetFlowsResponse`: what differs from row to row.

Protobuf allows any order of fields, so everything that every row has of its own stands first, at
fixed offsets, and is written by numpy; the rest follows from caches (see `pieces`). Numbers are
padded varints. Where a row lacks a part, its bytes say "reply is false" or "node_name is empty"
instead, which whatever follows may overrule: the last one counts.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.model.enums import Protocol
from rubin.wire.mask import Tree
from rubin.wire.varint import LEN, VARINT, filler, padded, tag

Array = npt.NDArray[Any]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

COLUMNS = (
    "time_ns", "uuid_high", "uuid_low", "protocol", "source_port", "destination_port", "tcp_flags",
    "icmp_type", "icmp_code", "sctp_chunk_type", "socket_cookie",
)  # fmt: skip
"""What a head is made of."""

_FRAME = 5  # gRPC: one byte "not compressed", then the length, big-endian
_REPLY = tag(16, VARINT)  # Flow.reply, deprecated
_NODE = tag(1000, LEN) + b"\0"  # GetFlowsResponse.node_name, empty
_TIME = b"\x0c\x08\x80\x80\x80\x80\x00\x10\x80\x80\x80\x80\x00"  # length, seconds, nanos
_UUID = tag(34, LEN) + b"\x24" + b"--------" * 4 + b"----"
# (kind, first byte of the UUID, place of its digits in the text)
_UUID_WORDS = (("<u8", 0, 0), ("<u4", 4, 9), ("<u4", 6, 14), ("<u4", 8, 19), ("<u8", 10, 24), ("<u4", 14, 32))
_COOKIE = tag(32, VARINT) + b"\x80" * 9 + b"\0"
_L4_BYTES = 32
_PORTS = b"\x08\x80\x80\x00\x10\x80\x80\x00"
_FLAG_FIELDS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "NS")
_MEMBERS = {  # protocol: field of Layer4 and its name
    Protocol.TCP: (1, "TCP"), Protocol.UDP: (2, "UDP"), Protocol.ICMPv4: (3, "ICMPv4"),
    Protocol.ICMPv6: (4, "ICMPv6"), Protocol.SCTP: (5, "SCTP"), Protocol.VRRP: (6, "VRRP"),
    Protocol.IGMP: (7, "IGMP"),
}  # fmt: skip

_HEX: npt.NDArray[np.uint16] = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), "<u2")
_PORT_VARINTS: npt.NDArray[np.uint32] = padded(np.arange(65536, dtype=np.uint64), 3).astype(np.uint32)


def _wants(wanted: Tree, *path: str) -> bool:
    """True where the path, or anything below it, is wanted."""
    for name in path:
        if not wanted:
            return True
        if name not in wanted:
            return False
        wanted = wanted[name]
    return True


class Head:
    """The layout of a head under one field mask, and the writing of it."""

    def __init__(self, wanted: Tree | None) -> None:
        self._wanted: Tree = wanted or {}
        self._template = bytearray(b"\0" * _FRAME)
        if self._has("time"):
            self._outer_time = self._put(tag(1001, LEN) + _TIME)
        self._flow_tag = self._put(tag(1, LEN) + b"\x80\x80\x80\x00")
        self._inside_from = len(self._template)
        if self._has("time"):
            self._time = self._put(tag(1, LEN) + _TIME)
        if self._has("uuid"):
            self._uuid = self._put(_UUID)
        if self._has("l4"):
            self._l4 = self._put(b"\0" * _L4_BYTES)
            self._l4_words = _l4_templates(self._wanted.get("l4", {}))
            self._flag_words = _flag_words(self._wanted)
        if self._has("socket_cookie"):
            self._cookie = self._put(_COOKIE)
        self.width = len(self._template)
        self.inside = self.width - self._inside_from
        """Bytes of the head that belong to the flow."""
        self._row = np.frombuffer(bytes(self._template), np.uint8)

    def _has(self, name: str) -> bool:
        return not self._wanted or name in self._wanted

    def _put(self, piece: bytes) -> int:
        self._template += piece
        return len(self._template) - len(piece)

    def write(self, columns: Mapping[str, Array], tails: I64, inner: I64) -> list[bytes]:
        """One head per row. `tails` are the bytes that follow it, `inner` those of them inside the flow."""
        n = len(tails)
        rows = np.empty((n, self.width), np.uint8)
        rows[:] = self._row
        at = _Writer(rows)
        at.put(">u4", 1, tails + (self.width - _FRAME))
        at.put("<u4", self._flow_tag + 1, padded((inner + self.inside).astype(np.uint64), 4))
        if self._has("time"):
            self._write_time(at, columns["time_ns"])
        if self._has("uuid"):
            self._write_uuid(at, columns["uuid_high"], columns["uuid_low"])
        if self._has("l4"):
            self._write_l4(at, columns)
        if self._has("socket_cookie"):
            cookies = columns["socket_cookie"].astype(np.uint64)
            at.put("<u8", self._cookie + 2, padded(cookies & np.uint64((1 << 56) - 1), 8) | np.uint64(1 << 63))
            at.put("<u2", self._cookie + 10, padded(cookies >> np.uint64(56), 2))
        heads: list[bytes] = rows.view(f"V{self.width}").ravel().tolist()
        return heads

    def _write_time(self, at: "_Writer", time_ns: Array) -> None:
        times = time_ns.astype(np.uint64)
        seconds = times // np.uint64(1_000_000_000)
        nanos = times - seconds * np.uint64(1_000_000_000)
        if not _wants(self._wanted, "time", "seconds"):
            seconds[:] = 0
        if not _wants(self._wanted, "time", "nanos"):
            nanos[:] = 0
        nanos = padded(nanos, 5)
        first = padded(seconds, 5) << np.uint64(8) | np.uint64(0x10_0000_0000_0008) | nanos << np.uint64(56)
        second = nanos >> np.uint64(8)
        for start in (self._outer_time + 3, self._time + 2):
            at.put("<u8", start, first)
            at.put("<u4", start + 8, second)
        missing = time_ns <= 0
        if missing.any():
            at.rows[missing, self._outer_time : self._outer_time + 15] = np.frombuffer(_NODE * 5, np.uint8)
            at.rows[missing, self._time : self._time + 14] = np.frombuffer(filler(_REPLY, 14), np.uint8)

    def _write_uuid(self, at: "_Writer", high: Array, low: Array) -> None:
        raw = np.empty((len(high), 2), ">u8")
        raw[:, 0], raw[:, 1] = high, low
        digits = _HEX[raw.view(np.uint8)]  # (n, 16) uint16: two digits each
        start = self._uuid + 3
        for kind, first, place in _UUID_WORDS:
            count = int(kind[2]) // 2
            at.put(kind, start + place, digits[:, first : first + count].copy().view(kind).ravel())
        missing = (high == 0) & (low == 0)
        if missing.any():
            at.rows[missing, self._uuid : self._uuid + 39] = np.frombuffer(filler(_REPLY, 39), np.uint8)

    def _write_l4(self, at: "_Writer", columns: Mapping[str, Array]) -> None:
        protocol = columns["protocol"]
        first, second = columns["source_port"], columns["destination_port"]
        icmp = (protocol == Protocol.ICMPv4) | (protocol == Protocol.ICMPv6)
        if icmp.any():
            first = np.where(icmp, columns["icmp_type"], first)
            second = np.where(icmp, columns["icmp_code"], second)
        words, keep_first, keep_second = self._l4_words
        flags = np.where(protocol == Protocol.TCP, columns["tcp_flags"], np.uint16(0)) & np.uint16(511)
        flag_words = self._flag_words[flags]
        ports = _PORT_VARINTS[first].astype(np.uint64) << np.uint64(40) & keep_first[protocol]
        at.put("<u8", self._l4, words[protocol, 0] | ports)
        ports = _PORT_VARINTS[second].astype(np.uint64) << np.uint64(8) & keep_second[protocol]
        word = words[protocol, 1] | ports | flag_words[:, 0]
        sctp = protocol == Protocol.SCTP
        if sctp.any() and _wants(self._wanted, "l4", "SCTP", "chunk_type"):
            chunks = np.where(sctp, columns["sctp_chunk_type"], np.uint8(0)).astype(np.uint64)
            word |= (chunks & np.uint64(0x7F)) << np.uint64(40)
        at.put("<u8", self._l4 + 8, word)
        at.put("<u8", self._l4 + 16, words[protocol, 2] | flag_words[:, 1])
        at.put("<u8", self._l4 + 24, words[protocol, 3] | flag_words[:, 2])


class _Writer:
    """Columns into a matrix of rows, as whole (unaligned) words: several times faster than byte by byte."""

    def __init__(self, rows: npt.NDArray[np.uint8]) -> None:
        self.rows = rows

    def put(self, kind: str, offset: int, values: Array) -> None:
        """Write one value per row at this offset."""
        length, width = self.rows.shape
        view: Array = np.ndarray(length, kind, self.rows.data, offset, (width,))
        view[:] = values


def _l4_template(member: int, name: str, protocol: Protocol, wanted: Tree) -> bytes:
    """The 32 bytes of `Flow.l4` for one protocol, all numbers 0."""
    if wanted and name not in wanted:
        return b"\x32\0" + filler(_REPLY, _L4_BYTES - 2)
    if protocol in (Protocol.VRRP, Protocol.IGMP):
        body = b""
    elif protocol == Protocol.TCP and _wants(wanted, "TCP", "flags"):
        body = _PORTS + b"\x1a\x12" + b"".join(bytes([field << 3, 0]) for field in range(1, 10))
    elif protocol == Protocol.SCTP:
        body = _PORTS + b"\x18\0"
    else:
        body = _PORTS
    inner = bytes([member << 3 | LEN, len(body)]) + body
    made = bytes([0x32, len(inner)]) + inner
    return made + (filler(_REPLY, _L4_BYTES - len(made)) if len(made) < _L4_BYTES else b"")


def _l4_templates(wanted: Tree) -> tuple[U64, U64, U64]:
    """(256, 4) words by protocol, and (256,) masks of where its two numbers may be written."""
    none = np.frombuffer(filler(_REPLY, _L4_BYTES), "<u8")
    words = np.tile(none, (256, 1))
    first, second = np.zeros(256, np.uint64), np.zeros(256, np.uint64)
    for protocol, (member, name) in _MEMBERS.items():
        words[protocol] = np.frombuffer(_l4_template(member, name, protocol, wanted), "<u8")
        if (wanted and name not in wanted) or protocol in (Protocol.VRRP, Protocol.IGMP):
            continue
        icmp = protocol in (Protocol.ICMPv4, Protocol.ICMPv6)
        names = ("type", "code") if icmp else ("source_port", "destination_port")
        if _wants(wanted, name, names[0]):
            first[protocol] = 0xFFFFFF << 40
        if _wants(wanted, name, names[1]):
            second[protocol] = 0xFFFFFF << 8
    return words, first, second


def _flag_words(wanted: Tree) -> U64:
    """(512, 3) words 1 to 3 of `l4`: the booleans of TCPFlags, where they are wanted."""
    keep = sum(1 << bit for bit, name in enumerate(_FLAG_FIELDS) if _wants(wanted, "l4", "TCP", "flags", name))
    raw = np.zeros((512, _L4_BYTES), np.uint8)
    for bit in range(9):
        raw[:, 15 + 2 * bit] = (np.arange(512) & keep) >> bit & 1
    return np.ascontiguousarray(raw.view("<u8")[:, 1:])

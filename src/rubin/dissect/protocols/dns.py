"""DNS messages (RFC 1035, with EDNS of RFC 6891): questions, answers with addresses, aliases and lifetimes.

Of an exchange `method` is the type asked for, `target` the name with its last dot, `status` the code of the answer,
`failed` whether that is another than "no error".
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from rubin.dissect.conversation import Dissector, Exchange, Piece, Speaker
from rubin.model.messages import DNS

SEEN = "socket"
"""`DNS.observation_source` of what we see ourselves; Hubble's are "proxy" and "agent"."""
NO_ERROR = 0

_MOST_LABELS = 128
_MOST_JUMPS = 16  # compression pointers in a name
_MOST_RECORDS = 64
_MOST_WAITING = 256
_MOST_BUFFERED = 65_537
_HEADER = struct.Struct("!6H")
_OPT, _A, _AAAA, _CNAME = 41, 1, 28, 5
_TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 24: "SIG", 25: "KEY",
    28: "AAAA", 29: "LOC", 33: "SRV", 35: "NAPTR", 36: "KX", 39: "DNAME", 41: "OPT", 43: "DS", 44: "SSHFP",
    46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 50: "NSEC3", 52: "TLSA", 64: "SVCB", 65: "HTTPS", 99: "SPF", 249: "TKEY",
    250: "TSIG", 251: "IXFR", 252: "AXFR", 255: "ANY", 256: "URI", 257: "CAA",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parsed:
    """A message without its identifier. `row` of a question has what is asked, of an answer what is known."""

    is_answer: bool
    row: DNS
    method: str


class _Cut(Exception):
    """The message ends here, or makes no sense from here on."""


def parse(message: bytes) -> Parsed | None:
    """What a message says, as far as it is there; None where it is no question with one name, nor its answer."""
    if len(message) < 17:
        return None
    _, flags, questions, answers, _, additional = _HEADER.unpack_from(message)
    if questions != 1 or flags & 0x7840:  # another operation, or a bit that nobody sets
        return None
    is_answer = bool(flags & 0x8000)
    try:
        name, at = _name(message, 12)
        kind, _ = struct.unpack_from("!HH", message, at)
    except (_Cut, struct.error):
        return None
    types = (_type(kind),)
    if not is_answer:
        return Parsed(False, DNS(name, observation_source=SEEN, qtypes=types), types[0])
    found = _Answer(flags & 15)
    try:
        for number, record in enumerate(_records(message, at + 4, min(answers + additional, _MOST_RECORDS))):
            found.take(message, *record, is_additional=number >= answers)
    except (_Cut, struct.error):
        pass  # what was there before counts
    row = DNS(name, tuple(found.ips), found.ttl or 0, tuple(found.cnames), SEEN, found.rcode, types, tuple(found.types))
    return Parsed(True, row, types[0])


class _Answer:
    """What the records of an answer say together."""

    def __init__(self, rcode: int) -> None:
        self.rcode = rcode
        self.ips: list[str] = []
        self.cnames: list[str] = []
        self.types: list[str] = []
        self.ttl: int | None = None

    def take(self, message: bytes, kind: int, ttl: int, start: int, size: int, is_additional: bool) -> None:
        if kind == _OPT:
            self.rcode |= (ttl >> 24) << 4
            return
        if is_additional:
            return
        self.types.append(_type(kind))
        self.ttl = ttl if self.ttl is None else min(self.ttl, ttl)
        if kind == _A and size == 4:
            self.ips.append(str(IPv4Address(message[start : start + 4])))
        elif kind == _AAAA and size == 16:
            self.ips.append(str(IPv6Address(message[start : start + 16])))
        elif kind == _CNAME:
            self.cnames.append(_name(message, start)[0])


def _records(message: bytes, at: int, count: int) -> Iterator[tuple[int, int, int, int]]:
    """(type, ttl, where the data are, their size) of each. Raises _Cut or struct.error."""
    for _ in range(count):
        _, at = _name(message, at)
        kind, _, ttl, size = struct.unpack_from("!HHIH", message, at)
        at += 10
        if at + size > len(message):
            raise _Cut
        yield kind, ttl, at, size
        at += size


def _name(message: bytes, at: int) -> tuple[str, int]:
    """A name with its last dot, and where what follows it begins. Raises _Cut."""
    labels: list[str] = []
    behind, jumps = -1, 0
    while len(labels) < _MOST_LABELS:
        if at >= len(message):
            raise _Cut
        size = message[at]
        if size >= 0xC0:
            if at + 1 >= len(message) or jumps == _MOST_JUMPS:
                raise _Cut
            behind = at + 2 if behind < 0 else behind
            at, jumps = (size & 0x3F) << 8 | message[at + 1], jumps + 1
            continue
        if size > 63 or at + 1 + size > len(message):
            raise _Cut
        at += 1
        if not size:
            return ".".join(labels) + ".", at if behind < 0 else behind
        labels.append(_label(message[at : at + size]))
        at += size
    raise _Cut


def _label(raw: bytes) -> str:
    """As zone files write it (RFC 1035 5.1): dots and what is no printable character as a number."""
    if raw.replace(b"-", b"").replace(b"_", b"").isalnum():
        return raw.decode()
    return "".join(chr(byte) if 0x21 <= byte <= 0x7E and byte not in b'."\\' else f"\\{byte:03d}" for byte in raw)


def _type(number: int) -> str:
    return _TYPES.get(number, f"TYPE{number}")  # RFC 3597


def claims(data: bytes) -> Speaker | None:
    """DNS over TCP (RFC 1035 4.2.2): a length, then a message with a name that is one."""
    if len(data) < 19 or int.from_bytes(data[:2], "big") < 17:
        return None
    flags, counts = int.from_bytes(data[4:6], "big"), data[6:14]
    parsed = parse(data[2:])
    if parsed is None or (not parsed.is_answer and (flags & 0x068F or any(counts[2:6]))):
        return None
    if parsed.row.query == "." or "\\" in parsed.row.query or parsed.method.startswith("TYPE"):
        return None
    return Speaker.SERVER if parsed.is_answer else Speaker.CLIENT


class Talk:
    """DNS over TCP: a `Conversation`. Questions are known by their identifier."""

    over = False

    def __init__(self) -> None:
        self.unpaired = 0
        self._waiting: dict[int, tuple[int, int, Parsed]] = {}  # identifier: time, size, question
        self._rest = {Speaker.CLIENT: b"", Speaker.SERVER: b""}

    def client(self, piece: Piece) -> Iterable[Exchange]:
        """Questions are kept until they are answered."""
        for number, size, parsed in self._messages(Speaker.CLIENT, piece):
            if not parsed.is_answer:
                while len(self._waiting) >= _MOST_WAITING:
                    del self._waiting[next(iter(self._waiting))]
                    self.unpaired += 1
                self._waiting.setdefault(number, (piece.time_ns, size, parsed))
        return ()

    def server(self, piece: Piece) -> Iterable[Exchange]:
        """Answers, each with its question."""
        for number, size, parsed in self._messages(Speaker.SERVER, piece):
            asked = self._waiting.pop(number, None) if parsed.is_answer else None
            if asked is None:
                self.unpaired += parsed.is_answer
            else:
                yield _exchange(asked[0], piece.time_ns, asked[1], size, parsed)

    def unanswered(self, before_ns: int) -> Iterable[Exchange]:
        """Questions from before then."""
        late = [number for number, (started_ns, _, _) in self._waiting.items() if started_ns < before_ns]
        for number in late:
            started_ns, size, parsed = self._waiting.pop(number)
            yield _exchange(started_ns, 0, size, 0, parsed)

    def _messages(self, speaker: Speaker, piece: Piece) -> Iterator[tuple[int, int, Parsed]]:
        rest = piece.data if piece.skipped else self._rest[speaker] + piece.data
        while len(rest) >= 2 and len(rest) >= (size := 2 + int.from_bytes(rest[:2], "big")):
            parsed = parse(rest[2:size])
            if parsed is not None:
                yield int.from_bytes(rest[2:4], "big"), size, parsed
            rest = rest[size:]
        self._rest[speaker] = rest[:_MOST_BUFFERED]


def _exchange(started_ns: int, answered_ns: int, asked: int, answered: int, parsed: Parsed) -> Exchange:
    return Exchange(
        "dns",
        started_ns,
        answered_ns,
        method=parsed.method,
        target=parsed.row.query,
        status=parsed.row.rcode,
        failed=parsed.row.rcode != NO_ERROR,
        request_bytes=asked,
        response_bytes=answered,
        dns=parsed.row,
    )


DNS_OVER_TCP = Dissector("dns", claims, Talk)

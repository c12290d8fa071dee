"""HTTP/2 (RFC 9113) in clear, and gRPC on it: an exchange a stream.

`method`, `authority` and `target` are the pseudo-headers, `target` without query; `status` is HTTP's, `version` always
`HTTP/2`. `attributes` are the headers of the request, redacted, and of gRPC the `grpc-status`. `failed`: the status is
400 or more, the call's is not OK, or the stream was reset or refused; `error` is then gRPC's or HTTP/2's own name of
it. Sizes are of the stream's HEADERS and DATA frames with their heads.

What a gap took may be the middle of anything: see `http2_frames` for where the next frame is looked for, `hpack` for
what headers are then still known. A request whose path is not known has none; streams are told apart by their number,
so that an answer never goes with another's request.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from rubin.dissect.conversation import Dissector, Exchange, Piece, Speaker
from rubin.dissect.protocols.hpack import MOST_BYTES, Field, Table
from rubin.dissect.protocols.http2_frames import (
    END_HEADERS,
    END_STREAM,
    HEAD,
    PREFACE,
    Frame,
    Frames,
    Head,
    Kind,
    block,
    chain,
    parse,
    readable,
)
from rubin.dissect.protocols.http2_stream import READ, Stream, error_name
from rubin.dissect.redaction import REDACTION, Redaction

_ASKS, _ANSWERS = frozenset({b":method", b":path", b":authority", b":scheme", b":protocol"}), b":status"
_MOST_STREAMS = 1000
_MOST_RESET = 64  # streams whose answers may still be under way when they are reset


def claims(data: bytes) -> Speaker | None:
    """Who begins a packet with these frames: the client's preface, a request, or an answer; None: they do not tell."""
    if data.startswith(PREFACE[:14]):
        return Speaker.CLIENT
    if not chain(data, 0, lambda _: True):
        return None
    at = 0
    while (head := parse(data, at)) is not None:
        if head.kind == Kind.HEADERS and head.stream & 1:
            names = {name for name, _ in readable(Frame(head, data[at + HEAD : at + HEAD + head.length], 0)) or ()}
            if names & _ASKS or _ANSWERS in names:
                return Speaker.CLIENT if names & _ASKS else Speaker.SERVER
        at += HEAD + head.length
    return None


class _Said(NamedTuple):
    """A frame, or a whole block of headers: `fields` are its, `size` that of all its frames."""

    head: Head
    payload: bytes
    fields: list[Field]
    size: int
    time_ns: int


class _Direction:
    """One direction: pieces in, frames and blocks of headers out."""

    def __init__(self, redaction: Redaction, known: Callable[[int], bool]) -> None:
        self._frames = Frames(known)
        self._table = Table(lambda name: name in READ or redaction.keeps(name.decode("latin-1")))
        self._open: Frame | None = None  # a block that goes on in CONTINUATION
        self._block = b""
        self._size = 0

    def feed(self, piece: Piece) -> Iterator[_Said]:
        for frame in self._frames.feed(piece):
            if self._open and (frame.head.kind != Kind.CONTINUATION or frame.head.stream != self._open.head.stream):
                yield self._close(self._open, False)
            if frame.head.kind in (Kind.HEADERS, Kind.PUSH_PROMISE):
                self._open, self._block, self._size = frame, b"", 0
            if self._open:
                yield from self._add(self._open, frame)
            elif frame.head.kind in (Kind.CONTINUATION, Kind.LOST):  # with headers that nobody saw
                self._table.forget()
            if frame.head.kind not in (Kind.HEADERS, Kind.PUSH_PROMISE, Kind.CONTINUATION):
                yield _Said(frame.head, frame.payload, [], HEAD + frame.head.length, frame.time_ns)

    def _add(self, first: Frame, frame: Frame) -> Iterator[_Said]:
        self._block += block(frame)
        self._size += HEAD + frame.head.length
        whole = frame.whole and len(self._block) <= MOST_BYTES
        if not whole or frame.head.flags & END_HEADERS:
            yield self._close(first, whole)

    def _close(self, first: Frame, whole: bool) -> _Said:
        fields, _ = self._table.decode(self._block, whole)
        self._open, self._block = None, b""
        return _Said(first.head, b"", fields, self._size, first.time_ns)


class HTTP2:
    """One connection, with at most 1,000 streams on their way; beyond that the oldest is told as it is."""

    over = False

    def __init__(self, redaction: Redaction = REDACTION) -> None:
        self.unpaired = 0
        self._redaction = redaction
        self._streams: dict[int, Stream] = {}
        self._client = _Direction(redaction, self._streams.__contains__)
        self._server = _Direction(redaction, self._streams.__contains__)
        self._last = 0  # stream that the client opened; the next has a greater number
        self._reset: deque[int] = deque(maxlen=_MOST_RESET)
        self._told: list[Exchange] = []

    def client(self, piece: Piece) -> list[Exchange]:
        """The requests that are given up with this, or have to go for newer ones."""
        for said in self._client.feed(piece):
            self._asked(said)
        return self._tell()

    def server(self, piece: Piece) -> list[Exchange]:
        """The exchanges that end with this."""
        for said in self._server.feed(piece):
            self._answered(said)
        return self._tell()

    def unanswered(self, before_ns: int) -> list[Exchange]:
        """Requests from before this time that have no headers of an answer, and answers whose end may be in a gap."""
        for number, stream in list(self._streams.items()):
            answered_ns = stream.exchange.answered_ns
            if (answered_ns or stream.exchange.started_ns) < before_ns and not (answered_ns and stream.response_whole):
                self._end(number)
        return self._tell()

    def _tell(self) -> list[Exchange]:
        told, self._told = self._told, []
        return told

    def _asked(self, said: _Said) -> None:
        kind, number = said.head.kind, said.head.stream
        if kind == Kind.LOST:
            for stream in self._streams.values():
                stream.request_whole &= stream.asked
        elif kind == Kind.HEADERS and number > self._last and number & 1:
            self._last = number
            self._open(number).request(said.fields, said.time_ns, self._redaction)
        if number not in self._streams:
            return
        if kind in (Kind.HEADERS, Kind.DATA):
            self._streams[number].sent(said.size, bool(said.head.flags & END_STREAM))
        elif kind == Kind.RST_STREAM:
            self._reset.append(number)
            self._end(number, error_name(said.payload))

    def _answered(self, said: _Said) -> None:
        kind, number = said.head.kind, said.head.stream
        if kind == Kind.LOST:
            for stream in self._streams.values():
                stream.response_whole = False
        elif kind == Kind.GOAWAY and len(said.payload) >= 8:
            self._go_away(said.payload)
        elif kind == Kind.HEADERS and number & 1 and number not in self._reset:
            stream = self._streams.get(number) or self._open(number)  # the request may be in a gap
            stream.response(said.fields, said.time_ns)
        if number not in self._streams:
            return
        if kind in (Kind.HEADERS, Kind.DATA):
            self._streams[number].exchange.response_bytes += said.size
            if said.head.flags & END_STREAM:
                self._end(number)
        elif kind == Kind.RST_STREAM:
            self._end(number, error_name(said.payload))

    def _open(self, number: int) -> Stream:
        if len(self._streams) >= _MOST_STREAMS:
            oldest = next(iter(self._streams))
            self._streams[oldest].response_whole = False
            self.unpaired += not self._streams[oldest].exchange.answered_ns
            self._end(oldest)
        return self._streams.setdefault(number, Stream())

    def _go_away(self, payload: bytes) -> None:
        """The server will not look at streams after the last one it names (section 6.8)."""
        last = int.from_bytes(payload[:4]) & 0x7FFFFFFF
        for number in [number for number in self._streams if number > last]:
            self._end(number, error_name(payload[4:8]) or "GOAWAY")

    def _end(self, number: int, error: str = "") -> None:
        exchange = self._streams.pop(number).end(error)
        self.unpaired += not exchange.started_ns
        self._told.append(exchange)


HTTP2_OVER_TCP = Dissector("http2", claims, HTTP2)

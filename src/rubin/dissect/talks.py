"""Connections whose protocol is read one message after the other: each has its `Conversation`."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from rubin.dissect.connections import NOTHING
from rubin.dissect.conversation import Conversation, Dissector, Exchange, Piece, Speaker
from rubin.dissect.found import Found
from rubin.dissect.segments import I64, Segments
from rubin.model.batch import Array
from rubin.model.messages import NUMBERS, TEXTS, Codes, Messages, MessageType

_LOG = logging.getLogger(__name__)

_HALF, _ALL = 1 << 31, 0xFFFFFFFF
_MOST_EARLY = 32  # packets of a direction that came before their turn
_MOST_BYTES = 0xFFFFFFFF
_COLUMNS = ("sequence", "length", "start", "captured", "time_ns", "acknowledged")
_Told = tuple[int, Exchange]
"""The number of its connection, and the exchange."""


class _Packet(NamedTuple):
    sequence: int
    length: int
    data: bytes
    time_ns: int
    acknowledged: int


@dataclass(slots=True)
class _Stream:
    """One direction: up to where it was heard, and where the packet ends of which that was the beginning."""

    heard: int = -1  # -1: nothing yet
    packet_end: int = 0
    early: list[_Packet] = field(default_factory=list)

    def begin(self, sequence: int) -> None:
        """What is new begins here, says who has heard what was before."""
        if self.heard < 0:
            self.heard = self.packet_end = sequence

    def piece(self, packet: _Packet, from_start: bool) -> Piece | None:
        """The packet as the next piece; None where nothing of it is new."""
        data, skipped, cut = packet.data, 0 if from_start else -1, False
        if packet.sequence == self.heard:
            skipped = 0
        elif self.heard >= 0:
            skipped = _apart(packet.sequence, self.heard)
            data, skipped = data[max(-skipped, 0) :], max(skipped, 0)
            cut = packet.sequence == self.packet_end
        if not data:
            return None
        self.heard = (packet.sequence + len(packet.data)) & _ALL
        self.packet_end = (packet.sequence + packet.length) & _ALL
        return Piece(data, packet.time_ns, skipped, cut)

    def is_early(self, packet: _Packet) -> bool:
        """Whether other packets are missing before this one."""
        if packet.sequence == self.packet_end:
            return False
        return self.heard >= 0 and _apart(packet.sequence, self.packet_end) > 0


class _Talk:
    """A connection: its packets in the order in which they were seen, exchanges out."""

    def __init__(self, conversation: Conversation, from_start: bool) -> None:
        self.conversation = conversation
        self._from_start = from_start
        self._streams = {True: _Stream(), False: _Stream()}  # the client's words, the server's

    def hear(self, from_client: bool, packet: _Packet) -> Iterable[Exchange]:
        """What comes before its turn waits for what is missing, until `settle`."""
        stream = self._streams[from_client]
        if from_client and stream.heard < 0 and self._from_start:
            self._streams[False].begin(packet.acknowledged)
        if stream.is_early(packet) and len(stream.early) < _MOST_EARLY:
            stream.early.append(packet)
            return ()
        told = self._say(from_client, stream, packet)
        while stream.early and (ready := [one for one in stream.early if not stream.is_early(one)]):
            stream.early = [one for one in stream.early if stream.is_early(one)]
            for one in ready:
                told = [*told, *self._say(from_client, stream, one)]
        return told

    def settle(self) -> list[Exchange]:
        """What has not come by now is lost."""
        told: list[Exchange] = []
        for from_client, stream in self._streams.items():
            early, stream.early = stream.early, []
            for one in sorted(early, key=lambda one: _apart(one.sequence, stream.packet_end)):
                told += self._say(from_client, stream, one)
        return told

    def _say(self, from_client: bool, stream: _Stream, packet: _Packet) -> Iterable[Exchange]:
        piece = stream.piece(packet, self._from_start)
        if piece is None:
            return ()
        return self.conversation.client(piece) if from_client else self.conversation.server(piece)


class Talks:
    """All of them, by the number of their connection.

    `failures` counts dissectors that raised, which is a bug; `forgotten` connections that are read no more for want of
    room, and in the others requests and answers that could not be paired.
    """

    MOST = 16_384

    def __init__(self) -> None:
        self._talks: dict[int, _Talk] = {}
        self.failures = self.forgotten = 0

    def __len__(self) -> int:
        return len(self._talks)

    def begin(self, number: int, dissector: Dissector, from_start: bool) -> None:
        """A connection is of this protocol; above `MOST` the oldest is read no more."""
        if len(self._talks) >= self.MOST:
            del self._talks[next(iter(self._talks))]
            self.forgotten += 1
        self._talks[number] = _Talk(dissector.converse(), from_start)

    def read(self, segments: Segments, number: I64, state: Array, messages: Messages) -> list[Found]:
        """What these packets say; connections of which nothing more can be read become `NOTHING` in `state`."""
        said: list[_Told] = []
        heard: dict[int, _Talk] = {}
        asks = segments.out == (state["client_out"][number] == 1)
        for connection, from_client, packet in zip(number.tolist(), asks.tolist(), _packets(segments), strict=True):
            talk = self._talks.get(connection)
            if talk is None:
                state["kind"][connection] = NOTHING
                continue
            heard[connection] = talk
            said += self._guarded(connection, talk.hear, from_client, packet)
        for connection, talk in heard.items():
            if connection not in self._talks:
                continue
            said += self._guarded(connection, talk.settle)
            self._account(talk)
            if talk.conversation.over:
                self._talks.pop(connection, None)
                state["kind"][connection] = NOTHING
        return _found(said, state, messages)

    def _guarded(self, connection: int, speak: Callable[..., Iterable[Exchange]], *words: Any) -> list[_Told]:
        """A dissector that raises is read no more: one broken protocol must not cost the others."""
        try:
            return [(connection, one) for one in speak(*words)]
        except Exception:  # whatever it is, it is counted, and the connection given up
            self._fail()
            self._talks.pop(connection, None)
            return []

    def claim(self, dissector: Dissector, data: bytes) -> Speaker | None:
        """Who says that a packet is this protocol's; nobody where the dissector fails, which is counted."""
        try:
            return dissector.claims(data)
        except Exception:
            self._fail()
            return None

    def _fail(self) -> None:
        self.failures += 1
        if self.failures == 1:
            _LOG.exception("a dissector failed; further failures are only counted")

    def _account(self, talk: _Talk) -> None:
        self.forgotten += talk.conversation.unpaired
        talk.conversation.unpaired = 0

    def unanswered(self, before_ns: int, state: Array, messages: Messages) -> list[Found]:
        """Requests from before then, each told once."""
        said: list[_Told] = []
        for connection, talk in list(self._talks.items()):
            said += self._guarded(connection, talk.conversation.unanswered, before_ns)
            self._account(talk)
        return _found(said, state, messages)

    def forget(self, moved: I64) -> None:
        """Follow connections to their new numbers; those that went are gone."""
        self._talks = {int(moved[old]): talk for old, talk in self._talks.items() if moved[old] >= 0}


def _packets(segments: Segments) -> Iterator[_Packet]:
    data = segments.data.data  # slices of a memoryview cost less than those of an array
    columns = (getattr(segments, name).tolist() for name in _COLUMNS)
    for sequence, length, start, captured, time_ns, acknowledged in zip(*columns, strict=True):
        yield _Packet(sequence, length, bytes(data[start : start + captured]), time_ns, acknowledged)


def _found(said: list[_Told], state: Array, messages: Messages) -> list[Found]:
    if not said:
        return []
    connection = np.array([connection for connection, _ in said], np.int64)
    exchanges = [one for _, one in said]
    started_ns, answered_ns = (
        np.array([getattr(one, name) for one in exchanges], np.int64) for name in ("started_ns", "answered_ns")
    )
    answered = answered_ns > 0
    codes = store(exchanges, started_ns, answered_ns, state["secured"][connection], messages)
    return [Found(connection, np.where(answered, answered_ns, started_ns), answered, codes)]


def store(exchanges: list[Exchange], started_ns: I64, answered_ns: I64, secured: Array, messages: Messages) -> Codes:
    """(n,) the codes of exchanges, told at these times, as rows of the table; `secured`: they were said inside TLS."""
    both = (started_ns > 0) & (answered_ns > 0)
    columns: dict[str, Any] = {
        "type": np.where(
            both, MessageType.EXCHANGE, np.where(answered_ns > 0, MessageType.RESPONSE, MessageType.REQUEST)
        ),
        "latency_ns": np.where(both, np.maximum(answered_ns - started_ns, 0), 0),
        "protocol": [NUMBERS[one.protocol] for one in exchanges],
        "status": [one.status for one in exchanges],
        "failed": [one.failed for one in exchanges],
        "request_bytes": [min(one.request_bytes, _MOST_BYTES) for one in exchanges],
        "response_bytes": [min(one.response_bytes, _MOST_BYTES) for one in exchanges],
        "attributes": [messages.attributes.code(one.attributes) for one in exchanges],
        "dns": [0 if one.dns is None else messages.dns.code(one.dns) for one in exchanges],
        "secured": secured != 0,
    }
    for name in TEXTS:
        texts = [getattr(one, name) for one in exchanges]
        if any(texts):
            columns[name] = messages.texts.codes_of(texts)
    return messages.extend(len(exchanges), columns)


def _apart(sequence: int, base: int) -> int:
    """How far a byte is behind another one, in numbers that turn over at 2^32."""
    return ((sequence - base + _HALF) & _ALL) - _HALF

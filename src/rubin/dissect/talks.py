"""Connections whose protocol is read one message after the other: each has its `Conversation`."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rubin.dissect.connections import NOTHING
from rubin.dissect.conversation import Conversation, Dissector, Exchange, Piece
from rubin.dissect.found import Found
from rubin.dissect.segments import I64, Segments
from rubin.model.batch import Array
from rubin.model.messages import Message, Messages, MessageType

_LOG = logging.getLogger(__name__)

_HALF, _ALL = 1 << 31, 0xFFFFFFFF
_MOST_EARLY = 32  # packets of a direction that came before their turn


class _Packet(NamedTuple):
    sequence: int
    length: int
    data: bytes
    time_ns: int


@dataclass(slots=True)
class _Stream:
    """One direction: up to where it was heard, and where the packet ends of which that was the beginning."""

    heard: int = -1  # -1: nothing yet
    packet_end: int = 0
    early: list[_Packet] = field(default_factory=list)

    def piece(self, packet: _Packet, from_start: bool) -> Piece | None:
        """The packet as the next piece; None where nothing of it is new."""
        data, skipped = packet.data, 0 if from_start else -1
        if self.heard >= 0:
            skipped = _apart(packet.sequence, self.heard)
            data, skipped = data[max(-skipped, 0) :], max(skipped, 0)
            if not data:
                return None
        self.heard = (packet.sequence + len(packet.data)) & _ALL
        self.packet_end = (packet.sequence + packet.length) & _ALL
        return Piece(data, packet.time_ns, skipped)

    def is_early(self, packet: _Packet) -> bool:
        """Whether other packets are missing before this one."""
        return self.heard >= 0 and _apart(packet.sequence, self.packet_end) > 0


class _Talk:
    """A connection: its packets in the order in which they were seen, exchanges out."""

    def __init__(self, conversation: Conversation, from_start: bool) -> None:
        self.conversation = conversation
        self._from_start = from_start
        self._streams = {True: _Stream(), False: _Stream()}  # the client's words, the server's

    def hear(self, from_client: bool, packet: _Packet) -> Iterator[Exchange]:
        """What comes before its turn waits for what is missing, until `settle`."""
        stream = self._streams[from_client]
        if stream.is_early(packet) and len(stream.early) < _MOST_EARLY:
            stream.early.append(packet)
            return
        yield from self._say(from_client, packet)
        while ready := [one for one in stream.early if not stream.is_early(one)]:
            stream.early = [one for one in stream.early if stream.is_early(one)]
            for one in ready:
                yield from self._say(from_client, one)

    def settle(self) -> Iterator[Exchange]:
        """What has not come by now is lost."""
        for from_client, stream in self._streams.items():
            early, stream.early = stream.early, []
            for one in sorted(early, key=lambda one: _apart(one.sequence, stream.packet_end)):
                yield from self._say(from_client, one)

    def _say(self, from_client: bool, packet: _Packet) -> Iterable[Exchange]:
        piece = self._streams[from_client].piece(packet, self._from_start)
        if piece is None:
            return ()
        return self.conversation.client(piece) if from_client else self.conversation.server(piece)


class Talks:
    """All of them, by the number of their connection.

    `failures` counts dissectors that raised, which is a bug, `forgotten` connections that are read no more.
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
        said: list[tuple[int, Exchange]] = []
        heard: set[int] = set()
        from_client = segments.out == (state["client_out"][number] == 1)
        for row, (connection, asks) in enumerate(zip(number.tolist(), from_client.tolist(), strict=True)):
            talk = self._talks.get(connection)
            if talk is None:
                state["kind"][connection] = NOTHING
                continue
            packet = _Packet(
                int(segments.sequence[row]), int(segments.length[row]), segments.bytes(row), int(segments.time_ns[row])
            )
            heard.add(connection)
            said += [(connection, one) for one in self._guarded(connection, talk.hear(asks, packet))]
        for connection in heard:
            talk = self._talks.get(connection)
            if talk is None:
                continue
            said += [(connection, one) for one in self._guarded(connection, talk.settle())]
            if talk.conversation.over:
                self._talks.pop(connection, None)
                state["kind"][connection] = NOTHING
        return _found(said, state, messages)

    def _guarded(self, connection: int, exchanges: Iterable[Exchange]) -> list[Exchange]:
        """A dissector that raises is read no more: one broken protocol must not cost the others."""
        try:
            return list(exchanges)
        except Exception:  # whatever it is, it is counted, and the connection given up
            self.failures += 1
            if self.failures == 1:
                _LOG.exception("a dissector failed; further failures are only counted")
            self._talks.pop(connection, None)
            return []

    def unanswered(self, before_ns: int, state: Array, messages: Messages) -> list[Found]:
        """Requests from before then, each told once."""
        said = [
            (connection, one)
            for connection, talk in list(self._talks.items())
            for one in self._guarded(connection, talk.conversation.unanswered(before_ns))
        ]
        return _found(said, state, messages)

    def forget(self, moved: I64) -> None:
        """Follow connections to their new numbers; those that went are gone."""
        self._talks = {int(moved[old]): talk for old, talk in self._talks.items() if moved[old] >= 0}


def _found(said: list[tuple[int, Exchange]], state: Array, messages: Messages) -> list[Found]:
    if not said:
        return []
    connection = np.array([connection for connection, _ in said], np.int64)
    time_ns = np.array([one.answered_ns or one.started_ns for _, one in said], np.int64)
    answered = np.array([one.answered_ns > 0 for _, one in said], np.bool_)
    codes = messages.codes(_message(one, bool(state["secured"][number])) for number, one in said)
    return [Found(connection, time_ns, answered, codes)]


def _message(said: Exchange, secured: bool) -> Message:
    kind = MessageType.REQUEST
    if said.answered_ns:
        kind = MessageType.EXCHANGE if said.started_ns else MessageType.RESPONSE
    return Message(
        type=int(kind),
        protocol=said.protocol,
        method=said.method,
        authority=said.authority,
        target=said.target,
        version=said.version,
        status=said.status,
        failed=said.failed,
        error=said.error,
        latency_ns=max(said.answered_ns - said.started_ns, 0) if kind == MessageType.EXCHANGE else 0,
        request_bytes=said.request_bytes,
        response_bytes=said.response_bytes,
        trace_id=said.trace_id,
        attributes=said.attributes,
        dns=said.dns,
        secured=secured,
    )


def _apart(sequence: int, base: int) -> int:
    """How far a byte is behind another one, in numbers that turn over at 2^32."""
    return ((sequence - base + _HALF) & _ALL) - _HALF

"""What a fuzzer's bytes mean: the pieces of a conversation, cut, late, or with some missing.

Each piece begins with `MARK` and a byte that says what became of it; so bytes that are put in or taken away change one
piece only.
"""

from collections.abc import Callable, Iterator

import numpy as np

from rubin.dissect.conversation import Dissector, Exchange, Piece
from rubin.dissect.dissectors import DISSECTORS
from rubin.dissect.protocols.kafka import KAFKA, Kafka
from rubin.dissect.stage import Stage
from rubin.dissect.talks import store
from rubin.model.messages import Messages
from tests.dissect.said import Connection, Listener, Packet
from tests.dissect.speaking import MS, START

MARK = b"\xff\xfe"
CLIENT, LATE, ASK = 1, 8, 16
"""Bits of the byte behind the mark: who speaks; after a long silence; what is unanswered so far is asked for before."""
MISSING = (0, -1, 1, 70_000)
"""How many bytes before the piece, by the bits in between."""
_NEVER_NS = 1 << 62


def pieces(data: bytes) -> Iterator[tuple[int, Piece]]:
    """What became of each piece, and the piece."""
    time_ns = START
    for part in data.split(MARK):
        how = part[0] if part else 0
        time_ns += 500 * MS if how & LATE else MS
        yield how, Piece(part[1:], time_ns, MISSING[how >> 1 & 3])


def _converse(dissector: Dissector) -> Callable[[bytes], int]:
    def run(data: bytes) -> int:
        conversation, told = dissector.converse(), list[Exchange]()
        for how, piece in pieces(data):
            dissector.claims(piece.data)
            if how & ASK:
                told += conversation.unanswered(piece.time_ns - 100 * MS)
            told += conversation.client(piece) if how & CLIENT else conversation.server(piece)
        told += conversation.unanswered(_NEVER_NS)
        started_ns, answered_ns = (
            np.array([getattr(one, name) for one in told], np.int64) for name in ("started_ns", "answered_ns")
        )
        return len(store(told, started_ns, answered_ns, np.zeros(len(told)), Messages()))

    return run


def _columns(data: bytes) -> int:
    """HTTP/1 is read by the stage itself."""
    listener, connection, packets = Listener(Stage(())), Connection(1), list[Packet]()
    for how, piece in pieces(data):
        if how & ASK and packets:
            listener.hear(packets)
            listener.wait(piece.time_ns)
            packets = []
        from_client = bool(how & CLIENT)
        connection.next[from_client] = (connection.next[from_client] + piece.skipped) & 0xFFFFFFFF
        connection.clock = piece.time_ns
        packets.append(connection.say(from_client, piece.data))
    listener.hear(packets)
    listener.wait(_NEVER_NS)
    return len(listener.told)


RUN: dict[str, Callable[[bytes], int]] = {one.name: _converse(one) for one in DISSECTORS}
"""Each protocol's dissector given a fuzzer's bytes; the number of exchanges that it told."""
RUN["kafka"] = _converse(Dissector("kafka", KAFKA.claims, Kafka))  # without what other connections said
RUN["http1"] = _columns

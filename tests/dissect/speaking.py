"""Conversations for tests: what both sides said, packet by packet, as a dissector that misses some of it hears it."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from rubin.dissect.conversation import Conversation, Exchange, Piece

MS = 1_000_000
START = 1_700_000_000_000_000_000


class Said(NamedTuple):
    """A packet, and how long after the one before."""

    client: bool
    data: bytes
    after_ms: int = 1


def client(*messages: bytes, after_ms: int = 1) -> Said:
    return Said(True, b"".join(messages), after_ms)


def server(*messages: bytes, after_ms: int = 1) -> Said:
    return Said(False, b"".join(messages), after_ms)


def heard(
    packets: Iterable[Said], taken: int = 1 << 20, lost: Collection[int] = (), joined: bool = False
) -> list[tuple[bool, Piece]]:
    """The pieces of these packets: of each the first `taken` bytes, none of those that are `lost` by their number."""
    time_ns, behind, pieces = START, {True: -1 if joined else 0, False: -1 if joined else 0}, []
    cut = {True: not joined, False: not joined}
    for number, said in enumerate(packets):
        time_ns += said.after_ms * MS
        there = b"" if number in lost else said.data[:taken]
        if there:
            pieces.append((said.client, Piece(there, time_ns, behind[said.client], cut[said.client])))
            behind[said.client] = 0
        cut[said.client] = bool(there)
        if behind[said.client] >= 0:
            behind[said.client] += len(said.data) - len(there)
    return pieces


def said(conversation: Conversation, pieces: Iterable[tuple[bool, Piece]], end: bool = True) -> list[Exchange]:
    """What a conversation makes of them; `end`: also what it still waits for."""
    found: list[Exchange] = []
    for from_client, piece in pieces:
        found += conversation.client(piece) if from_client else conversation.server(piece)
    if end:
        found += conversation.unanswered(1 << 62)
    return found


def talk(conversation: Conversation, *packets: Said, joined: bool = False) -> list[Exchange]:
    return said(conversation, heard(packets, joined=joined))


def brief(exchanges: Sequence[Exchange]) -> list[tuple[str, str, str]]:
    """Method, target and how it ended: "ok", its error, or "?" where no answer was seen."""
    return [(one.method, one.target, one.error or ("ok" if one.answered_ns else "?")) for one in exchanges]


def everything(exchanges: Iterable[Exchange]) -> str:
    """All that leaves a dissector, to look for what must not be in it."""
    return "\n".join(map(repr, exchanges))

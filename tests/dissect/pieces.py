"""What a dissector is given of the packets of a conversation: pieces, whole, cut short, or with some missing."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from hypothesis import strategies as st

from rubin.dissect.conversation import Conversation, Exchange, Piece, Speaker

CLIENT, SERVER = Speaker.CLIENT, Speaker.SERVER
Packet = tuple[Speaker, bytes]


def pieces(packets: Iterable[Packet], cut=1 << 20) -> Iterator[tuple[Speaker, Piece]]:
    """A piece a packet, of which only the first `cut` bytes are there; the first packet is at 1 ns, the next at 2."""
    skipped = {CLIENT: 0, SERVER: 0}
    for time_ns, (speaker, data) in enumerate(packets, 1):
        yield speaker, Piece(data[:cut], time_ns, skipped[speaker])
        skipped[speaker] = len(data) - len(data[:cut])


def with_gaps(draw: Callable[[Any], Any], packets: Iterable[Packet]) -> tuple[list[tuple[Speaker, Piece]], bool]:
    """Pieces of packets that are whole, in several pieces, cut short or missing; and whether nothing is."""
    said, skipped, complete = [], {CLIENT: 0, SERVER: 0}, True
    for time_ns, (speaker, packet) in enumerate(packets, 1):
        fate = draw(st.sampled_from(("whole", "split", "cut", "lost")))
        ends = [] if fate == "lost" else [len(packet)]
        if fate == "cut":
            ends = [draw(st.integers(1, len(packet)))]
        elif fate == "split":
            ends = sorted({*draw(st.lists(st.integers(1, len(packet)), max_size=4)), len(packet)})
        at = 0
        for end in ends:
            said.append((speaker, Piece(packet[at:end], time_ns, skipped[speaker])))
            skipped[speaker], at = 0, end
        skipped[speaker] += len(packet) - at
        complete &= at == len(packet)
    return said, complete


def heard(said: Iterable[tuple[Speaker, Piece]], conversation: Conversation) -> list[Exchange]:
    told: list[Exchange] = []
    for speaker, piece in said:
        told += conversation.client(piece) if speaker is CLIENT else conversation.server(piece)
    return told

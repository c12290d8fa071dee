"""Who opened a connection is found from its packets, and kept from batch to batch."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.dissect.openers import Openers
from rubin.dissect.view import empty_columns
from rubin.model import addresses
from rubin.model.batch import Array

SYN, ACK = 2, 16


def columns(packets: list[tuple[str, int, str, int, int, int]]) -> dict[str, Array]:
    """(source, port, destination, port, protocol, TCP flags or ICMP type or SCTP chunk) per packet."""
    made = empty_columns(len(packets))
    for at, (source, source_port, destination, destination_port, protocol, kind) in enumerate(packets):
        for side, address, port in (("source", source, source_port), ("destination", destination, destination_port)):
            made[f"{side}_high"][at], made[f"{side}_low"][at] = addresses.pair(address)
            made[f"{side}_port"][at] = port
        made["protocol"][at] = protocol
        made[{6: "tcp_flags", 132: "sctp_chunk_type"}.get(protocol, "icmp_type")][at] = kind
    return made


A, B = ("10.0.0.1", 4000), ("10.0.0.2", 80)


@pytest.mark.parametrize(
    ("packets", "replies"),
    [
        ([(*A, *B, 6, SYN), (*B, *A, 6, SYN | ACK), (*A, *B, 6, ACK)], [0, 1, 0]),
        ([(*B, *A, 6, SYN | ACK), (*A, *B, 6, ACK)], [1, 0]),  # the capture began between the two
        ([(*B, *A, 6, ACK), (*A, *B, 6, ACK)], [0, 1]),  # nobody says: the first to send
        ([(*B, *A, 6, ACK), (*A, *B, 6, SYN), (*B, *A, 6, ACK)], [0, 0, 1]),  # the ports are used again
        ([(*A, *B, 17, 0), (*B, *A, 17, 0)], [0, 1]),
        ([(*A, *B, 132, 1), (*B, *A, 132, 2), (*A, *B, 132, 0)], [0, 1, 0]),
        ([("10.0.0.1", 0, "10.0.0.2", 0, 1, 8), ("10.0.0.2", 0, "10.0.0.1", 0, 1, 0)], [0, 1]),
        ([("10.0.0.2", 0, "10.0.0.1", 0, 1, 0)], [1]),
        ([("fd00::1", 0, "fd00::2", 0, 58, 128), ("fd00::2", 0, "fd00::1", 0, 58, 129)], [0, 1]),
        ([("10.0.0.2", 0, "10.0.0.1", 0, 1, 3)], [-1]),
        ([("10.0.0.2", 0, "10.0.0.1", 0, 47, 0)], [-1]),
        ([("10.0.0.2", 0, "10.0.0.1", 0, 17, 0)], [-1]),  # a later fragment
        ([("10.0.0.1", 7, "10.0.0.1", 8, 17, 0), ("10.0.0.1", 8, "10.0.0.1", 7, 17, 0)], [0, 1]),
    ],
)
def test_replies(packets: list[Any], replies: list[int]):
    assert Openers().replies(columns(packets))[0].tolist() == replies
    one_by_one = Openers()
    assert [one_by_one.replies(columns([packet]))[0].tolist()[0] for packet in packets] == replies


def test_a_connection_is_new_once():
    openers = Openers()
    first = columns([(*A, *B, 17, 0), (*B, *A, 17, 0), (*A, *B, 17, 0)])
    assert openers.replies(first)[1].tolist() == [True, False, False]
    assert openers.replies(first)[1].tolist() == [False, False, False]


ends = st.tuples(st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1"]), st.sampled_from([1, 2]))
packets = st.builds(
    lambda source, destination, protocol, kind: (*source, *destination, protocol, kind),
    ends,
    ends,
    st.sampled_from([6, 17, 132]),
    st.sampled_from([0, SYN, ACK, SYN | ACK, 1]),
)


def plainly(packets: list[tuple[str, int, str, int, int, int]]) -> list[int]:
    """The same with a dictionary, one packet after another."""
    opener: dict[Any, Any] = {}
    replies = []
    for source, source_port, destination, destination_port, protocol, kind in packets:
        here, there = (source, source_port), (destination, destination_port)
        key = (frozenset((here, there)), protocol)
        tcp_step = {SYN: here, SYN | ACK: there}.get(kind & (SYN | ACK)) if protocol == 6 else None
        sctp_step = {1: here, 2: there}.get(kind) if protocol == 132 else None
        step = tcp_step or sctp_step
        opener[key] = step or opener.get(key, here)
        replies.append(int(opener[key] != here))
    return replies


@given(st.lists(packets.filter(lambda p: p[:2] != p[2:4]), max_size=60), st.lists(st.integers(1, 20), min_size=60))
def test_batches_of_any_size_say_what_a_dictionary_says(sent: list[Any], sizes: list[int]):
    openers, at = Openers(), 0
    found: list[int] = []
    for size in sizes:
        found += openers.replies(columns(sent[at : at + size]))[0].tolist() if sent[at : at + size] else []
        at += size
    assert found == plainly(sent)


def test_what_has_not_been_seen_for_long_is_forgotten(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Openers, "LIMIT", 100)
    openers = Openers()
    assert openers.replies(columns([(*A, *B, 6, SYN)]))[0].tolist() == [0]
    for ports in np.arange(2000).reshape(-1, 50):
        openers.replies(columns([("10.9.0.1", int(port) + 1, "10.9.0.2", 1, 17, 0) for port in ports]))
        assert len(openers._young.codes) + len(openers._old.codes) <= 2 * (100 + 51)
        assert openers.replies(columns([(*B, *A, 6, ACK)]))[0].tolist() == [1]  # seen again and again: remembered

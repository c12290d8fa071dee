"""Handshakes wait for their worker, no longer than they should, and nothing behind them is torn apart."""

from typing import Any

from rubin.kernel.served import served, settled
from tests.kernel_unit.records import records

NOW_NS = 1_000_000_000
MS = 1_000_000
TCP = {"protocol": 6, "ip_version": 1, "netns_cookie": 1, "socket_cookie": 5}
THERE = {**TCP, "source": "10.0.0.2", "destination": "10.0.0.1", "destination_port": 80, "point": 101}
BACK = {**TCP, "source": "10.0.0.1", "destination": "10.0.0.2", "source_port": 80, "point": 3}


def handshake(port: int, age_ms: int = 1) -> dict[str, Any]:
    """A SYN that a shared listener got."""
    return {**THERE, "source_port": port, "time_ns": NOW_NS - age_ms * MS}


def answer(port: int, pid: int = 7) -> dict[str, Any]:
    """What a worker sends."""
    return {**BACK, "destination_port": port, "pid": pid, "comm": "worker", "time_ns": NOW_NS}


def test_a_young_handshake_without_its_worker_is_left_for_the_next_reading() -> None:
    assert settled(records(answer(1), handshake(2)), NOW_NS) == 1
    assert settled(records(handshake(2)), NOW_NS) == 0


def test_with_its_worker_there_or_after_twenty_milliseconds_it_is_told() -> None:
    assert settled(records(handshake(2), answer(2)), NOW_NS) == 2
    assert settled(records(handshake(2, age_ms=19)), NOW_NS) == 0
    assert settled(records(handshake(2, age_ms=20)), NOW_NS) == 1


def test_a_handshake_whose_worker_would_be_cut_off_waits_with_it() -> None:
    assert settled(records(answer(9), handshake(1), handshake(2), answer(1)), NOW_NS) == 1
    assert settled(records(handshake(3), handshake(1), answer(3), handshake(2), answer(1)), NOW_NS) == 0
    assert settled(records(handshake(3), answer(3), handshake(1), handshake(2), answer(1)), NOW_NS) == 2


def test_what_is_no_connection_of_a_socket_waits_for_nobody() -> None:
    others = ({"protocol": 17}, {"socket_cookie": 0}, {"point": 11})
    assert settled(records(*({**handshake(2), **other} for other in others)), NOW_NS) == 3


def test_of_several_processes_the_last_is_who_serves() -> None:
    unknown, telling = served(records(handshake(1), answer(1, 7), answer(1, 8), handshake(2)))
    assert (unknown.tolist(), telling.tolist()) == ([0, 3], [2, -1])

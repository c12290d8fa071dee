"""Which packets become records: Hubble's levels of aggregation."""

import pytest

from tests.kernel import packets as p
from tests.kernel.programs import FLUSH, TICKS, TRACE, flags, programs
from tests.waiting import wait_for

A, B = "10.1.0.1", "10.1.0.2"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
SENT = [SYN, ACK, ACK, PSH | ACK, ACK, PSH | ACK, FIN | ACK]
ANSWERED = [SYN | ACK, ACK, PSH | ACK, ACK, FIN | ACK]
NONE, LOWEST, LOW, MEDIUM, MAX = range(5)


def request(flag: int) -> bytes:
    return p.ethernet(p.ipv4(A, B, 6, p.tcp(4000, 80, flag)))


def answer(flag: int) -> bytes:
    return p.ethernet(p.ipv4(B, A, 6, p.tcp(80, 4000, flag)))


@pytest.mark.parametrize(
    ("vantage", "level", "receive_points", "sent", "answered"),
    [
        ("interfaces", NONE, 0, 7, 5),
        ("interfaces", LOWEST, 0, 7, 0),
        ("interfaces", LOW, 0, 7, 0),
        ("interfaces", MEDIUM, 0, 4, 0),
        ("interfaces", MAX, 0, 4, 0),
        ("interfaces", MEDIUM, 1, 4, 3),
        ("interfaces", LOWEST, 1, 7, 5),
        ("sockets", NONE, 0, 7, 5),
        ("sockets", LOWEST, 0, 7, 5),
        ("sockets", MEDIUM, 0, 4, 3),
        ("sockets", MAX, 0, 4, 3),
    ],
)
def test_records_by_level(vantage: str, level: int, receive_points: int, sent: int, answered: int) -> None:
    out, into = (
        ("rubin_egress", "rubin_ingress") if vantage == "interfaces" else ("rubin_socket_out", "rubin_socket_in")
    )
    with programs(vantage, level=level, receive_points=receive_points) as loaded:
        for flag in SENT:
            loaded.run(out, request(flag))
        assert len(loaded.records()) == sent
        for flag in ANSWERED:
            loaded.run(into, answer(flag))
        assert len(loaded.records()) == answered


@pytest.mark.parametrize(
    ("packet", "reply"),
    [
        (answer(SYN), 1),
        (answer(ACK), 255),
        (answer(FIN | ACK), 255),
        (p.ethernet(p.ipv4(B, A, 17, p.udp(53, 4000))), 1),
    ],
    ids=["SYN", "ACK", "FIN", "UDP"],
)
def test_what_comes_in_and_is_told_elsewhere_says_only_who_opened(packet: bytes, reply: int) -> None:
    """The middle of a connection says nothing of it: no place in the table is taken for it."""
    with programs("interfaces") as loaded:
        loaded.run("rubin_ingress", packet)
        entries = loaded.objects.map("interface_entries")
        places = (entries.lookup(index.to_bytes(4, "little")) or b"" for index in range(entries.max_entries))
        assert sum(any(place[:8]) for place in places) == (reply == 1)
        is_udp = packet[23] == 17
        loaded.run("rubin_egress", p.ethernet(p.ipv4(A, B, 17, p.udp(4000, 53))) if is_udp else request(ACK))
        (record,) = loaded.records()
        assert record["reply"] == reply


def test_a_record_counts_what_came_since_the_last_one() -> None:
    with programs("sockets") as loaded:
        for flag in SENT:
            loaded.run("rubin_socket_out", request(flag))
        records = loaded.records()
        assert [flags(number) for number in records["tcp_flags"]] == ["SYN", "ACK", "PSH,ACK", "FIN,PSH,ACK"]
        assert records["packets"].tolist() == [1, 1, 2, 3]
        assert records["bytes"].tolist() == [40, 40, 80, 120]
        assert records["kind"].tolist() == [TRACE] * 4


def test_only_the_flags_that_are_asked_for_are_news() -> None:
    with programs("sockets", report_flags=SYN | FIN | RST) as loaded:
        for flag in SENT:
            loaded.run("rubin_socket_out", request(flag))
        assert [flags(number) for number in loaded.records()["tcp_flags"]] == ["SYN", "FIN,PSH,ACK"]


def test_an_interval_later_a_packet_is_told_again() -> None:
    with programs("sockets", interval_ticks=1) as loaded:
        loaded.run("rubin_socket_out", request(ACK))

        def told_again() -> bool:
            loaded.run("rubin_socket_out", request(ACK))
            return len(loaded.records()) > 0

        loaded.records()
        wait_for(told_again, "the next tick")


def test_new_kinds_of_sctp_chunks_are_told_and_data_is_not() -> None:
    with programs("sockets") as loaded:
        for chunk in (1, 10, 0, 0, 7, 14):  # INIT, COOKIE ECHO, DATA, DATA, SHUTDOWN, SHUTDOWN COMPLETE
            loaded.run("rubin_socket_out", p.ethernet(p.ipv4(A, B, 132, p.sctp(7, 8, chunk))))
        assert loaded.records()["sctp_chunk"].tolist() == [1, 3, 5]


def test_the_sweep_tells_what_idle_entries_hold_and_nothing_twice() -> None:
    with programs("sockets", interval_ticks=0) as loaded:
        for _ in range(3):
            loaded.sweep("sweep_sockets", all_now=False)
        assert not len(loaded.records())
    with programs("sockets") as loaded:
        for flag in SENT[:3]:
            loaded.run("rubin_socket_out", request(flag))
        loaded.records()
        loaded.sweep("sweep_sockets", all_now=False)
        assert not len(loaded.records())  # the interval has not passed
        loaded.sweep("sweep_sockets")
        (record,) = loaded.records()
        assert (record["kind"], record["packets"], flags(record["tcp_flags"])) == (FLUSH, 1, "ACK")
        assert (record["source_port"], record["destination_port"]) == (4000, 80)
        loaded.sweep("sweep_sockets")
        assert not len(loaded.records())


def test_who_spoke_a_tick_to_come_is_not_forgotten() -> None:
    """Each processor has its clock: the one that sweeps may be behind the one that has just counted a packet."""
    with programs("sockets") as loaded:
        loaded.run("rubin_socket_out", request(SYN))
        key, value = loaded.an_entry("socket_entries")
        used = int.from_bytes(value[48:52], "little") + 3600 * TICKS
        entries = loaded.objects.map("socket_entries")
        entries.update(key, value[:48] + (used & 0xFFFFFFFF).to_bytes(4, "little") + value[52:])
        loaded.sweep("sweep_sockets", all_now=False)
        assert (entries.lookup(key) or b"")[:8] == value[:8]


def test_forgotten_entries_tell_what_they_hold_and_begin_anew() -> None:
    with programs("sockets", forget_ticks=0) as loaded:
        datagram = p.ethernet(p.ipv4(A, B, 17, p.udp(5000, 53)))
        for _ in range(3):
            loaded.run("rubin_socket_out", datagram)
        loaded.sweep("sweep_sockets", all_now=False)
        loaded.run("rubin_socket_out", datagram)
        records = loaded.records()
        assert records["kind"].tolist() == [TRACE, FLUSH, TRACE]
        assert records["packets"].tolist() == [1, 2, 1]
        assert records["trace_reason"].tolist() == [1, 2, 1]  # new, established, new


@pytest.mark.parametrize(
    ("first", "replies", "reasons"),  # 1: new, 2: established, 3: reply
    [
        ([("out", SYN), ("in", SYN | ACK), ("out", ACK)], [0, 1, 0], [1, 3, 2]),
        ([("in", SYN), ("out", SYN | ACK), ("in", ACK)], [0, 1, 0], [1, 3, 2]),
        ([("out", SYN | ACK), ("in", ACK)], [1, 0], [3, 2]),
        ([("out", ACK), ("in", PSH | ACK)], [255, 255], [0, 0]),
        ([("out", RST | ACK)], [1], [3]),  # the kernel refuses what nobody waits for
    ],
    ids=["opened here", "opened there", "SYN not seen", "older than the agent", "refused"],
)
def test_who_opened(first: list[tuple[str, int]], replies: list[int], reasons: list[int]) -> None:
    with programs("sockets") as loaded:
        for direction, flag in first:
            loaded.run(f"rubin_socket_{direction}", request(flag) if direction == "out" else answer(flag))
        records = loaded.records()
        assert records["reply"].tolist() == replies
        assert records["trace_reason"].tolist() == reasons


def test_the_same_ports_again_are_a_new_connection() -> None:
    with programs("sockets") as loaded:
        for flag in (SYN, ACK, RST, SYN, ACK):
            loaded.run("rubin_socket_out", request(flag))
        records = loaded.records()
        assert [flags(number) for number in records["tcp_flags"]] == ["SYN", "ACK", "RST", "SYN", "ACK"]
        assert records["trace_reason"].tolist() == [1, 2, 2, 1, 2]
        assert records["tcp_event"].tolist() == [0, 0, 4, 0, 0]


def test_pings_answer_each_other() -> None:
    with programs("sockets") as loaded:
        loaded.run("rubin_socket_out", p.ethernet(p.ipv4(A, B, 1, p.icmp(8, 0, 7))))
        loaded.run("rubin_socket_in", p.ethernet(p.ipv4(B, A, 1, p.icmp(0, 0, 7))))
        loaded.run("rubin_socket_in", p.ethernet(p.ipv4(B, A, 1, p.icmp(0, 0, 8))))
        records = loaded.records()
        assert records["reply"].tolist() == [0, 1, 1]
        assert records["source_port"].tolist() == [0, 0, 0]


def test_a_ping_whose_record_was_lost_keeps_its_type_for_the_sweep() -> None:
    with programs("sockets", ring_bytes=4096) as loaded:
        for port in range(30):  # more than the ring holds
            loaded.run("rubin_socket_out", p.ethernet(p.ipv4(A, B, 17, p.udp(5000 + port, 53))))
        for _ in range(2):
            loaded.run("rubin_socket_out", p.ethernet(p.ipv4(A, B, 1, p.icmp(8, 0, 7))))
        assert 1 not in loaded.records()["protocol"]
        loaded.sweep("sweep_sockets")
        (record,) = (one for one in loaded.records() if one["protocol"] == 1)
        assert (record["kind"], record["icmp_type"], record["packets"]) == (FLUSH, 8, 1)

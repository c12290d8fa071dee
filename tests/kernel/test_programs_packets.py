"""The packet programs run on packets: what a record says, and what they answer."""

from collections.abc import Iterator

import pytest

from tests.kernel import packets as p
from tests.kernel.programs import NEXT, Programs, address, programs

A, B, A6, B6 = "10.1.0.1", "10.1.0.2", "fd01::1", "fd01::2"
SYN, ACK, FIN, RST = 2, 16, 1, 4

# What it is, the frame, and what a record says: source, both ports, protocol, bytes.
FRAMES: list[tuple[str, bytes, tuple[str, int, int, int, int]]] = [
    ("tcp", p.ethernet(p.ipv4(A, B, 6, p.tcp(4000, 80, SYN))), (A, 4000, 80, 6, 40)),
    ("tcp with data", p.ethernet(p.ipv4(A, B, 6, p.tcp(4000, 80, ACK, bytes(100)))), (A, 4000, 80, 6, 140)),
    ("udp", p.ethernet(p.ipv4(A, B, 17, p.udp(5000, 53, bytes(30)))), (A, 5000, 53, 17, 58)),
    ("udp, nothing in it", p.ethernet(p.ipv4(A, B, 17, p.udp(5000, 53))), (A, 5000, 53, 17, 28)),
    ("options", p.ethernet(p.ipv4(A, B, 6, p.tcp(1, 2, SYN), options=bytes(8))), (A, 1, 2, 6, 48)),
    ("icmp", p.ethernet(p.ipv4(A, B, 1, p.icmp(8, 0))), (A, 0, 0, 1, 76)),
    ("sctp", p.ethernet(p.ipv4(A, B, 132, p.sctp(7, 8, 1))), (A, 7, 8, 132, 36)),
    ("another protocol", p.ethernet(p.ipv4(A, B, 47, bytes(20))), (A, 0, 0, 47, 40)),
    ("later fragment", p.ethernet(p.ipv4(A, B, 17, bytes(64), fragment=100)), (A, 0, 0, 17, 84)),
    ("tcp6", p.ethernet(p.ipv6(A6, B6, 6, p.tcp(4000, 80, SYN))), (A6, 4000, 80, 6, 60)),
    ("udp6", p.ethernet(p.ipv6(A6, B6, 17, p.udp(5000, 53, bytes(30)))), (A6, 5000, 53, 17, 78)),
    ("icmp6", p.ethernet(p.ipv6(A6, B6, 58, p.icmp(128, 0))), (A6, 0, 0, 58, 96)),
    (
        "extension headers",
        p.ethernet(p.ipv6(A6, B6, 0, p.extension(60, 1) + p.extension(43) + p.extension(6) + p.tcp(9, 10, SYN))),
        (A6, 9, 10, 6, 92),
    ),
    (
        "first fragment of IPv6",
        p.ethernet(p.ipv6(A6, B6, 44, p.fragment6(17, 0, True) + p.udp(9, 10, bytes(16)))),
        (A6, 9, 10, 17, 72),
    ),
    (
        "later fragment of IPv6",
        p.ethernet(p.ipv6("fd01::9", B6, 44, p.fragment6(17, 24, False) + bytes(16))),
        ("fd01::9", 0, 0, 17, 64),
    ),
]


@pytest.fixture(scope="module", params=["rubin_egress", "rubin_ingress", "rubin_socket_out", "rubin_socket_in"])
def program(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def loaded(program: str) -> Iterator[Programs]:
    with programs("sockets" if "socket" in program else "interfaces", level=0) as those:
        yield those


@pytest.mark.parametrize(("what", "frame", "expected"), FRAMES, ids=[frame[0] for frame in FRAMES])
def test_a_record_says_what_the_headers_say(
    loaded: Programs, program: str, what: str, frame: bytes, expected: tuple[str, int, int, int, int]
) -> None:
    assert loaded.run(program, frame) == (1 if "socket" in program else NEXT)
    (record,) = loaded.records()
    seen = (address(record["source"]), record["source_port"], record["destination_port"])
    assert (*seen, record["protocol"], record["bytes"]) == expected
    assert record["packets"] == 1
    assert record["ip_version"] == (2 if ":" in expected[0] else 1)
    assert record["direction"] == (2 if program in ("rubin_egress", "rubin_socket_out") else 1)


def test_points(loaded: Programs, program: str) -> None:
    loaded.run(program, FRAMES[0][1])
    expected = {"rubin_egress": 11, "rubin_ingress": 10, "rubin_socket_out": 3, "rubin_socket_in": 101}
    assert loaded.records()["point"].tolist() == [expected[program]]


def test_types_of_icmp_and_chunks_of_sctp(loaded: Programs, program: str) -> None:
    loaded.run(program, p.ethernet(p.ipv4(A, B, 1, p.icmp(3, 1))))
    loaded.run(program, p.ethernet(p.ipv6(A6, B6, 58, p.icmp(135, 0))))
    loaded.run(program, p.ethernet(p.ipv4(A, B, 132, p.sctp(7, 8, 14))))
    records = loaded.records()
    assert records["icmp_type"].tolist() == [3, 135, 0]
    assert records["icmp_code"].tolist() == [1, 0, 0]
    assert records["sctp_chunk"].tolist() == [0, 0, 5]
    assert records["tcp_flags"].tolist() == [0, 0, 0]
    assert records["trace_reason"][0] == 4  # an error is related to something else


@pytest.mark.parametrize("frame", [frame[1] for frame in FRAMES], ids=[frame[0] for frame in FRAMES])
def test_packets_cut_at_every_byte_go_on_and_are_counted(loaded: Programs, program: str, frame: bytes) -> None:
    # The kernel refuses to run a program on less; what is cut further is in the tests of tags and tunnels.
    lengths = range(14 + (20 if frame[14] >> 4 == 4 else 40), len(frame))
    for length in lengths:
        assert loaded.run(program, frame[:length]) == (1 if "socket" in program else NEXT)
    records = loaded.records()
    assert records["bytes"].tolist() == [length - 14 for length in lengths]


def test_frames_that_are_not_ip_pass_unseen(loaded: Programs, program: str) -> None:
    arp = p.ETHERNET + b"\x08\x06" + bytes(46)
    assert loaded.run(program, arp) == (1 if "socket" in program else NEXT)
    assert not len(loaded.records())

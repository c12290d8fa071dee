"""The texts that clients print in brackets."""

import pytest

from rubin.model.tables import DNS, HTTP, Contents
from rubin.wire.summary import of_contents, of_packet, summaries
from tests.flows import flows


@pytest.mark.parametrize(
    ("protocol", "flags", "kind", "code", "text"),
    [
        (6, 2, 0, 0, "TCP Flags: SYN"),
        (6, 18, 0, 0, "TCP Flags: SYN, ACK"),
        (6, 0x1FF, 0, 0, "TCP Flags: SYN, ACK, RST, FIN, PSH, URG, ECE, CWR, NS"),
        (6, 0, 0, 0, "TCP"),
        (17, 0, 0, 0, "UDP"),
        (132, 0, 0, 0, "SCTP"),
        (1, 0, 8, 0, "ICMPv4 EchoRequest"),
        (1, 0, 3, 3, "ICMPv4 DestinationUnreachable(Port)"),
        (1, 0, 3, 99, "ICMPv4 DestinationUnreachable(Code: 99)"),
        (1, 0, 8, 1, "ICMPv4 EchoRequest(Code: 1)"),
        (1, 0, 11, 0, "ICMPv4 TimeExceeded(TTLExceeded)"),
        (1, 0, 200, 5, "ICMPv4 200(5)"),
        (58, 0, 128, 0, "ICMPv6 EchoRequest"),
        (58, 0, 1, 4, "ICMPv6 DestinationUnreachable(PortUnreachable)"),
        (58, 0, 136, 0, "ICMPv6 NeighborAdvertisement"),
        (112, 0, 0, 0, "VRRP Advertisement"),
        (47, 0, 0, 0, "IPv4"),
    ],
)
def test_packets(protocol: int, flags: int, kind: int, code: int, text: str) -> None:
    assert of_packet(1, 4, protocol, flags, kind, code, 1) == text


@pytest.mark.parametrize(("protocol", "text"), [(6, "TCP"), (17, "UDP"), (1, "Unknown"), (0, "Unknown")])
def test_socket_traces(protocol: int, text: str) -> None:
    assert of_packet(3, 7, protocol, 0, 0, 0, 1) == text


GET = HTTP(0, "GET", "http://svc/path", "HTTP/1.1")
GOT = HTTP(200, "GET", "http://svc/path", "HTTP/1.1")


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        (Contents(http=GET), "HTTP/1.1 GET http://svc/path"),
        (
            Contents(http=HTTP(200, "GET", "http://svc/path", "HTTP/1.1"), latency_ns=4_900_000),
            "HTTP/1.1 200 4ms (GET http://svc/path)",
        ),
        (Contents(2, dns=DNS("none.", qtypes=("A",))), "DNS Answer  TTL: 0 (Query none. A)"),
        (Contents(1, dns=DNS("example.com.", qtypes=("A", "AAAA"))), "DNS Query example.com. A,AAAA"),
        (
            Contents(dns=DNS("example.com.", ("1.2.3.4", "5.6.7.8"), 30, (), "proxy", 0, ("A",), ("A",))),
            'DNS Answer "1.2.3.4,5.6.7.8" TTL: 30 (Proxy example.com. A)',
        ),
        (
            Contents(dns=DNS("x.", ("1.2.3.4",), 30, ("y.",), "agent", 0, ("A",), ("CNAME", "A"))),
            'DNS Answer "1.2.3.4" CNAMEs: "y." TTL: 30 (Query x. A)',
        ),
        (
            Contents(dns=DNS("no.", ttl=5, observation_source="proxy", rcode=3, qtypes=("A",))),
            "DNS Answer RCode: Non-Existent Domain TTL: 5 (Proxy no. A)",
        ),
        (Contents(summary="as it came", http=GET), "as it came"),
        (Contents(proxy_port=3), ""),
    ],
)
def test_contents(contents: Contents, text: str) -> None:
    assert of_contents(contents) == text


def test_a_batch_has_one_summary_a_row() -> None:
    batch = flows("""
        src          dst          protocol  tcp_flags
        10.0.0.1:40  10.0.0.2:80  TCP       SYN
        10.0.0.1:40  10.0.0.2:80  UDP       -
        10.0.0.1:40  10.0.0.2:80  TCP       ACK,PSH
    """)
    assert summaries(batch) == ["TCP Flags: SYN", "UDP", "TCP Flags: ACK, PSH"]

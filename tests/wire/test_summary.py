"""The texts that clients print in brackets."""

from dataclasses import replace
from typing import Any

import pytest

from rubin.model.messages import DNS, PROTOCOLS, Message
from rubin.wire.summary import of_message, of_packet
from tests.said import seen


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


def _http(kind: int, status: int = 0, **more: Any) -> Message:
    return Message(kind, "http", "GET", target="http://svc/path", version="HTTP/1.1", status=status, **more)


def _dns(kind: int, *fields: Any, **more: Any) -> Message:
    return Message(kind, "dns", dns=DNS(*fields, **more))


def _sql(kind: int, **more: Any) -> Message:
    return Message(kind, "postgresql", "SELECT", target="shop.items", **more)


GRPC = Message(4, "grpc", "POST", "shop:50051", "/shop.Cart/Add", status=200, latency_ns=4_000_000)
NO_TABLE = "42P01 relation does not exist"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (_http(0), "HTTP/1.1 GET http://svc/path"),
        (_http(0, 200, latency_ns=4_900_000), "HTTP/1.1 200 4ms (GET http://svc/path)"),
        (_dns(2, "none.", qtypes=("A",)), "DNS Answer  TTL: 0 (Query none. A)"),
        (_dns(1, "example.com.", qtypes=("A", "AAAA")), "DNS Query example.com. A,AAAA"),
        (
            _dns(0, "example.com.", ("1.2.3.4", "5.6.7.8"), 30, (), "proxy", 0, ("A",), ("A",)),
            'DNS Answer "1.2.3.4,5.6.7.8" TTL: 30 (Proxy example.com. A)',
        ),
        (
            _dns(0, "x.", ("1.2.3.4",), 30, ("y.",), "agent", 0, ("A",), ("CNAME", "A")),
            'DNS Answer "1.2.3.4" CNAMEs: "y." TTL: 30 (Query x. A)',
        ),
        (
            _dns(0, "no.", ttl=5, observation_source="proxy", rcode=3, qtypes=("A",)),
            "DNS Answer RCode: Non-Existent Domain TTL: 5 (Proxy no. A)",
        ),
        (_sql(1), "PostgreSQL SELECT shop.items"),
        (_sql(2, latency_ns=3_000_000), "PostgreSQL OK 3ms (SELECT shop.items)"),
        (_sql(2, failed=True, error=NO_TABLE), f"PostgreSQL ERROR {NO_TABLE} 0ms (SELECT shop.items)"),
        (Message(2, "mysql", "Ping", status=1146, failed=True, error="1146 no"), "MySQL ERROR 1146 no 0ms (Ping)"),
        (Message(1, "redis", "GET"), "Redis GET"),
        (Message(2, "kafka", "Fetch", target="orders", status=6, failed=True), "Kafka ERROR 6 0ms (Fetch orders)"),
        (Message(2, "tls"), "TLS OK 0ms"),
        (Message(2, "kafka", "Fetch", status=3), "Kafka 3 0ms (Fetch)"),
        (Message(2, "redis", "GET", failed=True), "Redis ERROR 0ms (GET)"),
        (replace(GRPC, type=2, failed=True, error="CANCEL", target="/"), "HTTP/2 200 CANCEL 4ms (POST http://shop:50051/)"),
        (replace(GRPC, type=2, failed=True, status=503, target="/"), "HTTP/2 503 4ms (POST http://shop:50051/)"),
        (Message(1, "websocket", "text"), "WebSocket text"),
        (Message(2), ""),
        (Message(0, trace_id="abc"), ""),
    ],
)  # fmt: skip
def test_messages(message: Message, text: str) -> None:
    assert of_message(message) == text


@pytest.mark.parametrize(
    ("exchange", "request_text", "response_text"),
    [
        (
            _http(4, 200, latency_ns=4_000_000),
            "HTTP/1.1 GET http://svc/path",
            "HTTP/1.1 200 4ms (GET http://svc/path)",
        ),
        (
            _dns(4, "x.", ("1.2.3.4",), 30, (), "", 0, ("A",), ("A",)),
            "DNS Query x. A",
            'DNS Answer "1.2.3.4" TTL: 30 (Query x. A)',
        ),
        (
            _sql(4, failed=True, error=NO_TABLE, latency_ns=3_000_000),
            "PostgreSQL SELECT shop.items",
            f"PostgreSQL ERROR {NO_TABLE} 3ms (SELECT shop.items)",
        ),
        (
            GRPC,
            "HTTP/2 POST http://shop:50051/shop.Cart/Add",
            "HTTP/2 200 4ms (POST http://shop:50051/shop.Cart/Add)",
        ),
        (
            replace(GRPC, failed=True, error="NOT_FOUND", attributes=(("grpc-status", "5"),)),
            "HTTP/2 POST http://shop:50051/shop.Cart/Add",
            "HTTP/2 200 grpc-status 5 NOT_FOUND 4ms (POST http://shop:50051/shop.Cart/Add)",
        ),
    ],
)
def test_both_halves_of_an_exchange(exchange: Message, request_text: str, response_text: str) -> None:
    assert of_message(seen(exchange, 0)) == of_message(seen(exchange, -1)) == request_text
    assert of_message(seen(exchange, 1)) == response_text


def test_every_protocol_has_a_summary() -> None:
    for protocol in PROTOCOLS[1:]:
        assert of_message(Message(1, protocol, "x")), protocol

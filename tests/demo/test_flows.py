"""Which scenario a line of `rubin observe` belongs to."""

import pytest

from demo.flows import Exchanges, scenario_of

A = "default/deployment-a-7d4b9c6f5-q8w2z"
B = "default/deployment-b-6c8f5d7b9-m4x7k"


@pytest.mark.parametrize(
    ("flow", "title"),
    [
        (f"{A}:4000 (ID:1001) -> {B}:80 (ID:1002) to-endpoint FORWARDED (TCP Flags: SYN)", "pod A to pod B"),
        (f"{A}:4000 (ID:1001) -> default/service-b:80 (world) to-stack FORWARDED (TCP Flags: SYN)", "pod A to pod B"),
        (f"{A}:4000 (ID:1001) <- {B}:80 (ID:1002) to-stack FORWARDED (TCP Flags: SYN, ACK)", "pod B to pod A"),
        (
            "default/test-connectivity-5f (ID:7) -> 198.51.100.8 (world) to-stack FORWARDED (ICMPv4 EchoRequest)",
            "pod to the outside",
        ),
        (
            "203.0.113.2:4000 (world) -> default/foo-app:5678 (ID:9) to-endpoint FORWARDED (TCP Flags: ACK)",
            "outside to pod",
        ),
        (
            "203.0.113.2:4000 (world) <> default/foo-app:5678 (ID:9) to-endpoint FORWARDED (TCP Flags: ACK)",
            "outside to pod",
        ),
        ("203.0.113.2:4000 (world) <- default/foo-app:5678 (ID:9) to-stack FORWARDED (TCP Flags: ACK)", None),
        (f"{A}:4000 (ID:1) -> 10.244.0.1:53 (remote-node) to-stack FORWARDED (UDP)", None),
        (
            "containerd/shop:4000 (ID:9) -> containerd/stock:8000 (ID:8) to-stack FORWARDED (UDP)",
            "container to container",
        ),
        ("host/orders.scope:80 (host) <- containerd/report:4000 (ID:7) to-stack FORWARDED (UDP)", "container to unit"),
        ("host/curl:4000 (host) -> containerd/web:80 (ID:6) to-endpoint FORWARDED (UDP)", "process to container"),
        ("host/curl:4000 (host) -> 127.0.0.1:80 (host) to-stack FORWARDED (UDP)", None),
        (
            "host/customers.scope:40 (host) -> host/front.scope:2 (host) http-request FORWARDED (HTTP/1.1 GET http://a/)",
            "shop: http",
        ),
        (
            "host/customers.scope:4 (host) <- host/front.scope:2 (host) http-response FORWARDED (HTTP/1.1 200 0ms (G))",
            "shop: http",
        ),
        ("host/customers.scope:40 (host) -> host/front.scope:2 (host) to-stack FORWARDED (TCP Flags: SYN)", None),
        ("host/front.scope:40 (host) -> host/app.scope:2 (host) http-request FORWARDED (HTTP/1.1 GET http://a/)", None),
        (
            "host/customers.scope:4 (host) <- host/checkout.scope:5 (host) tls-response FORWARDED (TLS OK 1ms (H))",
            "shop: https",
        ),
        (
            "host/app.scope:4 (host) <- host/postgres.scope:5 (host) postgresql-response FORWARDED (PostgreSQL OK 0ms)",
            "shop: sql",
        ),
        (
            "host/customers.scope:4 (host) -> host/dns.scope:5 (host) dns-request socket FORWARDED (DNS Query a. A)",
            "shop: dns",
        ),
        ("EVENTS LOST: HUBBLE_RING_BUFFER CPU(0) 5", None),
        ("", None),
    ],
)
def test_a_line_belongs_to_the_scenario_of_its_two_ends(flow, title):
    scenario = scenario_of(f"Nov 22 12:00:00.123: {flow}\n")
    assert (scenario.title if scenario else None) == title


def test_of_what_is_said_one_that_went_well_and_one_that_failed_is_shown_every_so_often():
    ask, answer = (
        "host/app.scope:{} (host) {} host/redis.scope:6 (host)",
        "redis-response FORWARDED (Redis {} 0ms (GET x))",
    )

    def asked(port):
        return f"Nov 22 12:00:00.123: {ask.format(port, '->')} redis-request FORWARDED (Redis GET x)"

    def answered(port, how):
        return f"Nov 22 12:00:00.123: {ask.format(port, '<-')} {answer.format(how)}"

    exchanges = Exchanges(3.0)
    redis = scenario_of(asked(1))
    assert redis is not None
    said = [
        (1.0, asked(1), []),
        (1.0, answered(1, "OK"), [asked(1), answered(1, "OK")]),
        (1.1, asked(1), []),
        (1.1, answered(1, "OK"), []),
        (1.2, asked(1), []),
        (1.2, answered(2, "ERROR WRONGTYPE"), [answered(2, "ERROR WRONGTYPE")]),
        (3.3, answered(2, "ERROR WRONGTYPE"), [answered(2, "ERROR WRONGTYPE")]),
    ]
    assert [exchanges.shown(redis, line, now) for now, line, _ in said] == [shown for *_, shown in said]

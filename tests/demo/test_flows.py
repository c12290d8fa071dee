"""Which scenario a line of `rubin observe` belongs to."""

import pytest

from demo.flows import scenario_of

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
        ("EVENTS LOST: HUBBLE_RING_BUFFER CPU(0) 5", None),
        ("", None),
    ],
)
def test_a_line_belongs_to_the_scenario_of_its_two_ends(flow, title):
    scenario = scenario_of(f"Nov 22 12:00:00.123: {flow}\n")
    assert (scenario.title if scenario else None) == title

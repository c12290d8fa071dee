"""One batch with a flow of every kind that reads differently, and losses between them."""

import numpy as np

from rubin.model import addresses
from rubin.model.batch import FlowBatch, Lost
from rubin.model.enums import LostSource
from rubin.model.messages import DNS, Message
from rubin.model.tables import Contents, Endpoint, Link, Policy, Process, Service, Tables

TIME_NS = 1_234_567_800_000


def every_kind() -> FlowBatch:
    """One flow of every kind that reads differently."""
    tables = Tables()
    code, word, said = tables.endpoints.code, tables.strings.code, tables.contents.code
    asked, question = tables.messages.code, DNS("example.com.", observation_source="proxy", qtypes=("A",))
    answer = Message(2, "http", "GET", "", "http://svc/path", "HTTP/1.1", 200, latency_ns=4_000_000)
    client = code(Endpoint(7, 1234, namespace="default", pod_name="client", labels=("k8s:app=client",)))
    world, named = code(Endpoint(identity=2)), code(Endpoint(identity=9, names=("a.example", "b.example")))
    service = code(Endpoint(identity=5555, namespace="shop", service=Service("web", "front")))
    bare = code(Endpoint(3, 777, pod_name="lonely"))
    allowed = (
        Policy("allow-dns", "default", (), 3, "CiliumNetworkPolicy"),
        Policy("nameless"),
        Policy("b", "", (), 1, "NetworkPolicy"),
    )
    rows: list[dict[str, int]] = [
        {
            "source_endpoint": client,
            "destination_endpoint": world,
            "is_reply": 0,
            "tcp_flags": 2,
            "event_type": 4,
            "event_sub_type": 3,
        },
        {"source_endpoint": client, "destination_endpoint": named, "is_reply": 1, "tcp_flags": 18, "event_type": 4},
        {
            "source_endpoint": service,
            "destination_endpoint": bare,
            "is_reply": -1,
            "protocol": 17,
            "event_type": 4,
            "event_sub_type": 10,
        },
        {"ip_version": 2, "is_reply": 0, "event_type": 4, "event_sub_type": 11, "protocol": 132},
        {"ip_version": 2, "protocol": 58, "icmp_type": 128, "source_port": 0, "event_type": 4},
        {
            "ip_version": 0,
            "protocol": 0,
            "link": tables.links.code(Link(2, "eth0", "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff")),
        },
        {"ip_version": 0, "protocol": 0, "verdict": 0},
        {"verdict": 2, "event_type": 1, "event_sub_type": 250, "drop_reason": 250},
        {
            "verdict": 2,
            "event_type": 1,
            "event_sub_type": 169,
            "drop_reason": 169,
            "kernel_drop_reason": word("IP_RPFILTER"),
            "drop_location": word("ip_rcv_finish_core+0x1a4"),
            "process": tables.processes.code(Process(4242, "curl", 0)),
        },
        {"verdict": 2, "event_type": 1, "kernel_drop_reason": word("NO_SOCKET"), "tcp_flags": 4},
        {
            "verdict": 1,
            "event_type": 5,
            "policy_match_type": 2,
            "traffic_direction": 1,
            "contents": said(Contents(ingress_allowed_by=allowed)),
        },
        {"verdict": 4, "event_type": 5, "policy_match_type": 9, "traffic_direction": 2},
        {"verdict": 5, "event_type": 5, "traffic_direction": 2, "auth_type": 1},
        {"verdict": 6, "event_type": 7, "event_sub_type": 1, "protocol": 17, "auth_type": 2},
        {"verdict": 7, "event_type": 7, "event_sub_type": 2},
        {"verdict": 0, "event_type": 3, "event_sub_type": 8},
        {
            "flow_type": 2,
            "event_type": 129,
            "message": asked(Message(1, "dns", target="example.com.", dns=question)),
        },
        {
            "flow_type": 2,
            "event_type": 129,
            "message": asked(answer),
        },
        {
            "flow_type": 2,
            "event_type": 129,
            "message": asked(Message(1)),
            "contents": said(Contents(summary="Kafka request \x1b[30mblack\x1b[0m\r\n\x9b\u202e")),
        },
        {"contents": said(Contents(ip_trace_id=77)), "event_type": 4, "tcp_flags": 16},
        {"event_type": 0},
    ]
    source, destination = addresses.pair("10.0.0.1"), addresses.pair("192.0.2.7")
    v6 = addresses.pair("fd00::1")
    columns: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        sides = (v6, v6) if row.get("ip_version") == 2 else (source, destination)
        filled = {
            "time_ns": TIME_NS + at * 1_000_000,
            "verdict": 1,
            "ip_version": 1,
            "protocol": 6,
            "source_high": sides[0][0],
            "source_low": sides[0][1],
            "destination_high": sides[1][0],
            "destination_low": sides[1][1],
            "source_port": 45678,
            "destination_port": 53,
            "node_name": word("cluster/k8s1"),
        } | row
        for name in set(columns) | set(filled):
            missing = -1 if name == "is_reply" else 0
            columns.setdefault(name, [missing] * at).append(filled.get(name, missing))
    lost = (
        Lost(
            LostSource.PERF_EVENT_RING_BUFFER,
            5,
            TIME_NS + 3_500_000,
            TIME_NS,
            TIME_NS + 1_000_000,
            2,
            "k8s1",
            "records ring",
        ),
        Lost(LostSource.HUBBLE_RING_BUFFER, 3, TIME_NS + 10**9),
    )
    return FlowBatch({name: np.array(values) for name, values in columns.items()}, tables, lost)

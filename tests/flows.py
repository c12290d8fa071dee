"""Flows for tests and benches: written as a table, or made by the thousand from a seed."""

from typing import Any

import numpy as np

from rubin.model import addresses
from rubin.model.batch import FlowBatch
from rubin.model.columns import COLUMNS, DTYPES
from rubin.model.enums import (
    Direction,
    DropReason,
    EventType,
    FlowType,
    IPVersion,
    Protocol,
    TCPEvent,
    TCPFlags,
    TracePoint,
    Verdict,
)
from rubin.model.tables import Endpoint, Process, Tables, Workload

_ENUMS: dict[str, Any] = {
    "verdict": Verdict,
    "protocol": Protocol,
    "drop_reason": DropReason,
    "traffic_direction": Direction,
    "trace_point": TracePoint,
    "event_type": EventType,
    "flow_type": FlowType,
    "tcp_event": TCPEvent,
}


def _side(text: str) -> tuple[int, int, int]:
    """`10.0.0.1:80` or `[fd00::1]:80` or an address alone, as (high, low, port)."""
    port = 0
    if text.startswith("["):
        text, _, rest = text[1:].partition("]")
        port = int(rest[1:] or 0)
    elif text.count(":") == 1:
        text, rest = text.split(":")
        port = int(rest)
    return *addresses.pair(text), port


def _value(name: str, text: str) -> int:
    if name == "tcp_flags":
        return sum(TCPFlags[flag] for flag in text.split(",") if flag and flag != "-")
    try:
        return int(text)
    except ValueError:
        return int(_ENUMS[name][text])


def flows(table: str, tables: Tables | None = None) -> FlowBatch:
    """A batch from a table whose head names the columns.

    `src` and `dst` are `address:port`; `from` and `to` name endpoints as `namespace/pod`, with the
    labels `k8s:app=POD`; any other head is a column, its values numbers, enum names, flags joined by
    a comma, or text for a column of strings. What is not said is a forwarded TCP packet at to-endpoint.
    """
    tables = tables or Tables()
    lines = [line.split() for line in table.strip().splitlines()]
    heads, rows = lines[0], lines[1:]
    columns: dict[str, list[int]] = {}

    def put(name: str, value: int) -> None:
        columns.setdefault(name, []).append(value)

    for row in rows:
        for head, text in zip(heads, row, strict=True):
            if head in ("src", "dst"):
                side = "source" if head == "src" else "destination"
                for part, value in zip(("high", "low", "port"), _side(text), strict=True):
                    put(f"{side}_{part}", value)
            elif head in ("from", "to"):
                namespace, _, pod = text.rpartition("/")
                code = tables.endpoints.code(_endpoint(namespace, pod)) if text != "-" else 0
                put("source_endpoint" if head == "from" else "destination_endpoint", code)
            elif COLUMNS[head].table == "strings":
                put(head, tables.strings.code("" if text == "-" else text))
            else:
                put(head, _value(head, text))
    return FlowBatch(_defaults(columns, len(rows)), tables)


def _endpoint(namespace: str, pod: str) -> Endpoint:
    labels = (f"k8s:app={pod}", f"k8s:io.kubernetes.pod.namespace={namespace}")
    return Endpoint(1, 1000 + len(pod), "", namespace, labels, pod, (Workload(pod, "Deployment"),))


def _defaults(columns: dict[str, list[int]], length: int) -> dict[str, Any]:
    made = {name: np.array(values, DTYPES[name]) for name, values in columns.items()}
    dropped = made.get("verdict", np.full(length, Verdict.FORWARDED)) == Verdict.DROPPED
    high, low = made.get("source_high"), made.get("source_low")
    version = np.full(length, IPVersion.IPv4)
    if high is not None and low is not None:
        version = np.where(addresses.is_v4(high, low), IPVersion.IPv4, IPVersion.IPv6)
    defaults = {
        "time_ns": 1_700_000_000_000_000_000 + np.arange(length) * 1_000_000,
        "verdict": np.full(length, Verdict.FORWARDED),
        "flow_type": np.full(length, FlowType.L3_L4),
        "event_type": np.where(dropped, EventType.DROP, EventType.TRACE),
        "event_sub_type": np.where(dropped, made.get("drop_reason", np.zeros(length)), 0),
        "trace_point": np.where(dropped, 0, TracePoint.TO_ENDPOINT),
        "traffic_direction": np.full(length, Direction.INGRESS),
        "is_reply": np.where(dropped, -1, 0),
        "ip_version": version,
        "protocol": np.full(length, Protocol.TCP),
        "packets": np.ones(length),
        "bytes": np.full(length, 60),
    }
    for name, values in defaults.items():
        made.setdefault(name, values.astype(DTYPES[name]))
    return made


def generate(
    n: int, seed: int = 1, endpoints: int = 500, pairs: int = 7_000, tables: Tables | None = None
) -> FlowBatch:
    """`n` flows as a busy node sees them: pods with labels and workloads, mostly TCP, 2 % drops.

    Deterministic in its arguments. `pairs` distinct (client, server) pairs among `endpoints` pods.
    """
    rng = np.random.default_rng(seed)
    tables = tables or Tables()
    codes = np.array([tables.endpoints.code(_pod(i)) for i in range(endpoints)], np.uint32)
    low = np.uint64(0xFFFF_0A00_0000) + np.arange(1, endpoints + 1, dtype=np.uint64)
    clients, servers = rng.integers(0, endpoints, (2, pairs))
    ports = rng.choice(np.array([80, 443, 8080, 5432, 6379, 9092, 53], np.uint16), pairs)
    ephemeral = rng.integers(32_768, 61_000, pairs).astype(np.uint16)
    pair = rng.integers(0, pairs, n)
    reply = rng.random(n) < 0.45
    dropped = rng.random(n) < 0.02
    port, other = ports[pair], ephemeral[pair]
    source = np.where(reply, servers[pair], clients[pair])
    destination = np.where(reply, clients[pair], servers[pair])
    udp = port == 53
    to_stack = rng.random(n) < 0.5
    flags = np.where(
        reply & (rng.random(n) < 0.2),
        TCPFlags.SYN | TCPFlags.ACK,
        rng.choice([2, 16, 24, 17, 4], n, p=[0.2, 0.3, 0.3, 0.15, 0.05]),
    )
    reason = np.where(dropped, rng.choice([133, 181, 169, 0], n), 0)
    point = np.where(dropped, 0, np.where(to_stack, TracePoint.TO_STACK, TracePoint.TO_ENDPOINT))
    processes = np.array(
        [
            tables.processes.code(Process(1000 + i, f"app-{i % 40}", 0, 4000 + i, f"/pod{i}", 99))
            for i in range(endpoints)
        ]
    )
    node = tables.strings.code("node-1")
    kernel = np.array(
        [tables.strings.code(name) for name in ("NETFILTER_DROP", "NO_SOCKET", "IP_RPFILTER", "NOT_SPECIFIED")]
    )
    columns = {
        "time_ns": 1_700_000_000_000_000_000 + np.sort(rng.integers(0, 10_000 * n, n)),
        "uuid_high": np.full(n, 0x1234_5678_9ABC_8DEF),
        "uuid_low": np.uint64(0x8000_0000_0000_0000) + np.arange(n, dtype=np.uint64) + np.uint64(seed << 32),
        "verdict": np.where(dropped, Verdict.DROPPED, Verdict.FORWARDED),
        "flow_type": np.full(n, FlowType.L3_L4),
        "event_type": np.where(dropped, EventType.DROP, EventType.TRACE),
        "event_sub_type": np.where(dropped, reason, np.where(to_stack, 3, 0)),
        "trace_point": point,
        "trace_reason": np.where(dropped, 0, np.where(reply, 3, 1)),
        "traffic_direction": np.where(to_stack, Direction.EGRESS, Direction.INGRESS),
        "is_reply": np.where(dropped, -1, reply),
        "ip_version": np.full(n, IPVersion.IPv4),
        "source_high": np.zeros(n),
        "source_low": low[source],
        "destination_high": np.zeros(n),
        "destination_low": low[destination],
        "protocol": np.where(udp, Protocol.UDP, Protocol.TCP),
        "source_port": np.where(reply, port, other),
        "destination_port": np.where(reply, other, port),
        "tcp_flags": np.where(udp, 0, flags),
        "drop_reason": reason,
        "kernel_drop_reason": np.where(dropped, rng.choice(kernel, n), 0),
        "packets": rng.integers(1, 40, n),
        "bytes": rng.integers(60, 60_000, n),
        "socket_cookie": pair + 1,
        "process": processes[np.where(to_stack, source, destination)],
        "source_endpoint": codes[source],
        "destination_endpoint": codes[destination],
        "node_name": np.full(n, node),
    }
    return FlowBatch({name: values.astype(DTYPES[name]) for name, values in columns.items()}, tables)


def _pod(i: int) -> Endpoint:
    app, namespace = f"app-{i % 40}", ("default", "shop", "kube-system", "monitoring")[i % 4]
    labels = (
        f"k8s:app={app}",
        "k8s:io.cilium.k8s.policy.cluster=default",
        f"k8s:io.cilium.k8s.policy.serviceaccount={app}",
        f"k8s:io.kubernetes.pod.namespace={namespace}",
        f"k8s:version=v{i % 3}",
    )
    return Endpoint(
        i + 1, 1000 + i % 160, "", namespace, labels, f"{app}-{i:05d}-x7k2p", (Workload(app, "Deployment"),)
    )

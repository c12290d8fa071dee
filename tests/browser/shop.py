"""A shop's traffic, the same for the same seed: who talks to whom, in four namespaces and outside; what fails, why."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rubin.model import addresses
from rubin.model.batch import Array, FlowBatch, concat
from rubin.model.columns import DTYPES
from rubin.model.enums import (
    Direction,
    DropReason,
    EventType,
    FlowType,
    IPVersion,
    Protocol,
    TCPFlags,
    TracePoint,
    Verdict,
)
from rubin.model.messages import DNS, Message, MessageType
from rubin.model.tables import Endpoint, Process, Tables, Workload

MS = 1_000_000
SECOND = 1_000 * MS
NODE = "node-1"
HOSTILE = "<img src=x onerror=alert(1)>"


@dataclass(frozen=True)
class Service:
    """What runs, in how many pods."""

    name: str
    namespace: str
    pods: int = 1
    command: str = "python3"


@dataclass(frozen=True)
class Call:
    """Who calls whom: so many times of all calls, `fails` of them; `drops` never get there."""

    client: str
    server: str
    port: int
    speaks: str = ""
    weight: float = 1.0
    latency_ms: float = 5.0
    fails: float = 0.0
    drops: bool = False
    target: str = "/"


SERVICES = (
    Service("ingress", "ingress-nginx", 2, "nginx"),
    Service("web", "shop", 3, "node"),
    Service("cart", "shop", 2),
    Service("catalog", "shop", 2),
    Service("payments", "shop", 2, "java"),
    Service("postgres", "shop", 1, "postgres"),
    Service("redis", "shop", 1, "redis-server"),
    Service("mailer", "shop", 1),
    Service("coredns", "kube-system", 2, "coredns"),
    Service("metrics", "kube-system", 1, "metrics-server"),
    Service("prometheus", "monitoring", 1, "prometheus"),
)
OUTSIDE = {"203.0.113.7": "", "198.51.100.10": "api.stripe.example", "198.51.100.20": f"smtp.{HOSTILE}.example"}
CALLS = (
    Call("203.0.113.7", "ingress", 443, "http", 12, 40, 0.01, target="/"),
    Call("ingress", "web", 3000, "http", 12, 38, 0.01, target="/items/7"),
    Call("web", "cart", 50051, "grpc", 5, 12, target="/shop.Cart/Add"),
    Call("web", "catalog", 8080, "http", 8, 9, 0.02, target="/catalog/42"),
    Call("catalog", "postgres", 5432, "postgresql", 9, 3, target="SELECT name FROM items WHERE id = ?"),
    Call("cart", "redis", 6379, "redis", 6, 0.4, target="basket:7"),
    Call("cart", "payments", 8443, "", 3, drops=True),
    Call("web", "coredns", 53, "dns", 3, 1, target="catalog.shop.svc.cluster.local."),
    Call("mailer", "coredns", 53, "dns", 1, 1, 0.9, target="mial.shop.svc.cluster.local."),
    Call("payments", "198.51.100.10", 443, "", 1),
    Call("mailer", "198.51.100.20", 587, "", 0.5),
    Call("prometheus", "metrics", 9100, "http", 1, 6, target="/metrics"),
)


class Shop:
    """Makes batches of one `Tables`; `flows(since_ns, until_ns, count)` are so many flows of that time, in order."""

    def __init__(
        self, seed: int = 1, services: tuple[Service, ...] = SERVICES, calls: tuple[Call, ...] = CALLS
    ) -> None:
        self.tables, self._calls = Tables(), calls
        self._random = np.random.default_rng(seed)
        self._numbers = iter(range(1, 2**62, 1 << 20))
        self._pods: dict[str, list[tuple[int, int, int]]] = {}  # by service: endpoint, low half of address, process
        for place, service in enumerate(services):
            self._pods[service.name] = [self._pod(service, place, number) for number in range(service.pods)]
        for address, name in OUTSIDE.items():
            endpoint = Endpoint(0, 2, "", "", ("reserved:world",), names=(name,) if name else ())
            self._pods[address] = [(self.tables.endpoints.code(endpoint), addresses.pair(address)[1], 0)]
        self._messages = [self._said(call) for call in calls]

    def _pod(self, service: Service, place: int, number: int) -> tuple[int, int, int]:
        labels = (f"k8s:app={service.name}", f"k8s:io.kubernetes.pod.namespace={service.namespace}")
        name = f"{service.name}-7d4b9c6f5-{number}"
        workload = (Workload(service.name, "Deployment"),)
        endpoint = Endpoint(100 * place + number + 1, 1000 + place, "", service.namespace, labels, name, workload)
        process = Process(4000 + 10 * place + number, service.command, 0, 9000 + place, f"/kubepods/{name}", 7 + place)
        address = addresses.pair(f"10.{place >> 8}.{place & 255}.{number + 1}")[1]
        return self.tables.endpoints.code(endpoint), address, self.tables.processes.code(process)

    def _said(self, call: Call) -> list[Message]:
        """A good answer and a bad one; [] where nothing is read."""
        if not call.speaks:
            return []
        dns = DNS(call.target, qtypes=("A",)) if call.speaks == "dns" else None
        known: dict[str, Any] = {
            "type": MessageType.EXCHANGE,
            "protocol": call.speaks,
            "target": call.target,
            "dns": dns,
        }
        known |= {"latency_ns": int(call.latency_ms * MS), "request_bytes": 300, "response_bytes": 2000}
        words = {"http": "GET", "grpc": "POST", "redis": "GET", "postgresql": "SELECT"}
        known |= {"method": words.get(call.speaks, ""), "authority": call.server, "version": "HTTP/1.1"}
        good: dict[str, Any] = {"status": 200} if call.speaks in ("http", "grpc") else {}
        bad: dict[str, Any] = {"status": 503} if good else {"error": "NXDOMAIN" if dns else "failed"}
        if dns is not None:
            good["dns"], bad["dns"] = (
                DNS(call.target, ("10.0.3.1",), 30, qtypes=("A",)),
                DNS(call.target, rcode=3, qtypes=("A",)),
            )
        return [Message(**known | good), Message(**known | bad | {"failed": True})]

    def flows(self, since_ns: int, until_ns: int, count: int) -> FlowBatch:
        """Packets and, of calls that are read, exchanges."""
        weights = np.array([call.weight for call in self._calls])
        which = self._random.choice(len(self._calls), count, p=weights / weights.sum())
        times = np.sort(self._random.integers(since_ns, until_ns, count))
        parts = [
            self._of(call, messages, times[which == place], first)
            for (place, (call, messages)), first in zip(
                enumerate(zip(self._calls, self._messages, strict=True)), self._numbers, strict=False
            )
            if (which == place).any()
        ]
        joined = concat(parts)
        return joined.take(np.argsort(joined["time_ns"], kind="stable"))

    def _of(self, call: Call, messages: list[Message], times: Array, first: int) -> FlowBatch:
        """The server sees it; half are packets and half exchanges where that is read."""
        count, random = len(times), self._random
        client, server = (
            np.array(self._pods[name])[random.integers(0, len(self._pods[name]), count)]
            for name in (call.client, call.server)
        )
        said = np.zeros(count, np.bool_) if not messages else random.random(count) < 0.5
        code = np.zeros(count, np.uint32)
        if messages:
            failed = random.random(count) < call.fails
            rows = [messages[int(bad)] for bad in failed[said]]
            code[said] = self.tables.messages.codes(rows)
        reply = np.where(said, 1, 0 if call.drops else (random.random(count) < 0.5)).astype(np.int8)
        ephemeral = 32_768 + random.integers(0, 28_000, count)
        seen_by_client = call.server in OUTSIDE or call.drops
        source, destination = (
            np.where((reply == 1)[:, None], one, other) for one, other in ((server, client), (client, server))
        )
        names = {"dropped": call.drops, "udp": call.port == 53}
        verdict = np.full(count, Verdict.DROPPED if names["dropped"] else Verdict.FORWARDED)
        columns = {
            "time_ns": times,
            "uuid_high": np.full(count, 0x5EED_0000_0000_0001),
            "uuid_low": np.uint64(1 << 63) + np.arange(first, first + count, dtype=np.uint64),
            "verdict": verdict,
            "flow_type": np.where(said, FlowType.L7, FlowType.L3_L4),
            "event_type": np.where(said, EventType.L7, EventType.DROP if call.drops else EventType.TRACE),
            "event_sub_type": np.full(count, DropReason.POLICY_DENIED if call.drops else 0),
            "trace_point": np.where(
                said | call.drops, 0, TracePoint.TO_STACK if seen_by_client else TracePoint.TO_ENDPOINT
            ),
            "traffic_direction": np.full(count, Direction.EGRESS if seen_by_client else Direction.INGRESS),
            "is_reply": np.where(call.drops, -1, reply),
            "ip_version": np.full(count, IPVersion.IPv4),
            "source_low": source[:, 1],
            "destination_low": destination[:, 1],
            "protocol": np.full(count, Protocol.UDP if names["udp"] else Protocol.TCP),
            "source_port": np.where(reply == 1, call.port, ephemeral),
            "destination_port": np.where(reply == 1, ephemeral, call.port),
            "tcp_flags": np.where(said | names["udp"], 0, TCPFlags.SYN if call.drops else TCPFlags.ACK | TCPFlags.PSH),
            "drop_reason": np.full(count, DropReason.POLICY_DENIED if call.drops else 0),
            "kernel_drop_reason": np.full(count, self.tables.strings.code("NETFILTER_DROP") if call.drops else 0),
            "drop_location": np.full(count, self.tables.strings.code("nf_hook_slow+0xa0") if call.drops else 0),
            "packets": np.where(said, 0, random.integers(1, 40, count)),
            "bytes": np.where(said, 0, random.integers(60, 60_000, count)),
            "socket_cookie": ephemeral,
            "process": (client if seen_by_client else server)[:, 2],
            "source_endpoint": source[:, 0],
            "destination_endpoint": destination[:, 0],
            "node_name": np.full(count, self.tables.strings.code(NODE)),
            "message": code,
        }
        return FlowBatch({name: values.astype(DTYPES[name]) for name, values in columns.items()}, self.tables)

"""Clusters larger than a map: services in namespaces that call each other, the same for the same seed."""

import numpy as np

from rubin.model.batch import Array, FlowBatch
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
from tests.browser.shop import NODE, Service, Shop

_DROPS = 50  # every so many connections there is one that never gets there


class Cluster(Shop):
    """Each of the services calls or is called, over so many connections; packets alone."""

    def __init__(self, services: int, connections: int, namespaces: int = 10) -> None:
        names = tuple(Service(f"svc-{number}", f"team-{number % namespaces}") for number in range(services))
        super().__init__(3, names, ())
        random = np.random.default_rng(7)
        order = random.permutation(services)
        pairs = {(int(a), int(b)) for a, b in np.sort(np.stack([order, np.roll(order, 1)], axis=1)[::2], axis=1)}
        while len(pairs) < connections:
            a, b = sorted(random.choice(services, 2, replace=False).tolist())
            pairs.add((a, b))
        self._pairs = np.array(sorted(pairs))
        ends = np.array([pods[0] for name, pods in self._pods.items() if name.startswith("svc-")])
        self._endpoint, self._address, self._process = ends.T
        self._next, self._turn = 1, 0

    def flows(self, since_ns: int, until_ns: int, count: int) -> FlowBatch:
        """Connections take turns, so that each is there after as many flows as there are connections."""
        turn = (self._turn + np.arange(count)) % len(self._pairs)
        self._turn = (self._turn + count) % len(self._pairs)
        client, server = self._pairs[turn].T
        drops = turn % _DROPS == 0
        columns: dict[str, Array] = {
            "time_ns": np.sort(self._random.integers(since_ns, until_ns, count)),
            "uuid_high": np.full(count, 0x5EED_0000_0000_0002),
            "uuid_low": np.uint64(1 << 63) + np.arange(self._next, self._next + count, dtype=np.uint64),
            "verdict": np.where(drops, Verdict.DROPPED, Verdict.FORWARDED),
            "flow_type": np.full(count, FlowType.L3_L4),
            "event_type": np.where(drops, EventType.DROP, EventType.TRACE),
            "event_sub_type": np.where(drops, DropReason.POLICY_DENIED, 0),
            "trace_point": np.where(drops, 0, TracePoint.TO_ENDPOINT),
            "traffic_direction": np.full(count, Direction.INGRESS),
            "is_reply": np.where(drops, -1, 0),
            "ip_version": np.full(count, IPVersion.IPv4),
            "source_low": self._address[client],
            "destination_low": self._address[server],
            "protocol": np.full(count, Protocol.TCP),
            "source_port": 32_768 + turn % 28_000,
            "destination_port": 8_000 + server % 7,
            "tcp_flags": np.where(drops, TCPFlags.SYN, TCPFlags.ACK | TCPFlags.PSH),
            "drop_reason": np.where(drops, DropReason.POLICY_DENIED, 0),
            "packets": np.ones(count),
            "bytes": np.full(count, 1_500),
            "source_endpoint": self._endpoint[client],
            "destination_endpoint": self._endpoint[server],
            "process": self._process[server],
            "node_name": np.full(count, self.tables.strings.code(NODE)),
        }
        self._next += count
        return FlowBatch(columns, self.tables)

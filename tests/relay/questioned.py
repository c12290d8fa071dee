"""Three nodes that saw parts of the same things, behind a relay."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rubin.api.listen import ListenSettings
from rubin.api.server import Server, ServerThread
from rubin.api.target import ClientSettings
from rubin.model.batch import FlowBatch
from rubin.model.exchanges import expanded
from rubin.model.messages import Message, MessageType
from rubin.model.tables import Endpoint, Process, Service, Workload
from rubin.relay.pool import PoolSettings
from rubin.store.ring import Ring
from tests.exchanges import MS, Said, http, stored
from tests.query.explained import packets
from tests.relay.relayed import Relayed, relaying
from tests.waiting import wait_for

TRACE = "0af7651916cd43dd8448eb211c80319c"
CURL, NGINX = Process(9, "curl", 1000, cgroup="/user", user="me"), Process(10, "nginx", 33, user="www-data")
POSTGRES = Process(10, "postgres", 70, user="postgres")  # the number of another node's nginx
HOST = Endpoint(identity=1, namespace="host", pod_name="curl", workloads=(Workload("curl", "Process"),))
WEB = Endpoint(7, 31573, "", "shop", ("k8s:app=web",), "web-7d4b", (Workload("web", "Deployment"),))
DB = Endpoint(8, 31574, "", "data", (), "db-0", service=Service("db", "data"))
PAY = http("/pay", 500, latency_ns=6 * MS, request_bytes=100, response_bytes=900, trace_id=TRACE)
PAID = http("/pay", 500, latency_ns=4 * MS, request_bytes=100, response_bytes=900, trace_id=TRACE)
SQL = Message(MessageType.EXCHANGE, "postgresql", "SELECT", target="SELECT ?", latency_ns=MS, trace_id=TRACE)
QUERIES = ((5000, 2 * MS), (5001, 2 * MS + MS // 2))
"""By the client's port: the second one is asked while the first one is."""
NAMES = {"10.0.0.1": HOST, "10.0.0.2": WEB}
OWNERS = {"10.0.0.1": CURL, "10.0.0.2:80": NGINX}


def seen_by(name: str, number: int, batch: FlowBatch) -> FlowBatch:
    """The rows as that node's: its name, its UUIDs."""
    count = len(batch)
    node = np.full(count, batch.tables.strings.code(name), np.uint32)
    return batch.with_columns(node_name=node, uuid_high=np.full(count, number << 32 | 0x4000, np.uint64))


def uuid(number: int, low: int) -> str:
    """Of a row of the node with that number."""
    text = f"{number << 32 | 0x4000:016x}{low | 1 << 63:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def row(name: str, address: str, identity: int = 0, since_ns: int = 0) -> dict[str, Any]:
    """Of `rubin list endpoints`."""
    made = {"namespace": "shop" * bool(name), "name": name, "identity": identity, "id": 0, "labels": [], "service": ""}
    return made | {"workloads": [], "where": [address], "since_ns": since_ns}


def _set() -> threading.Event:
    made = threading.Event()
    made.set()
    return made


@dataclass
class Node:
    """An agent's server over a ring, with a report and endpoints."""

    name: str
    batches: list[FlowBatch]
    report: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    works: threading.Event = field(default_factory=_set)
    """While it is not set, who asks for a status has the whole server hang."""
    hangs: threading.Event = field(default_factory=threading.Event)

    def start(self) -> "Node":
        """Answering."""
        ring = Ring(again=expanded)
        for batch in self.batches:
            ring.append(batch)
        own = {"node": self.name, "agent_version": "1.0", "uptime_s": 60.0} | self.report
        server = Server(ring, ListenSettings("", "127.0.0.1:0"), self.name, lambda: self._waited(own), self._known)
        self._thread = ServerThread(server)
        self._thread.start()
        self.address = server.address
        return self

    def _waited(self, own: dict[str, Any]) -> dict[str, Any]:
        if not self.works.is_set():
            self.hangs.set()
        self.works.wait()
        return own

    def _known(self, who: str, _time_ns: int) -> list[dict[str, Any]]:
        return [one for one in self.rows if not who or who in one["where"]]

    def close(self) -> None:
        """Gone."""
        self._thread.close()


def client_node() -> Node:
    """`a`: curl asks the shop ten times; the SYN to port 81 leaves."""
    asked = [
        Said(PAY, "10.0.0.1:4000", asked_ns=at * 20 * MS, who=HOST, whom=WEB, end="client", process=CURL)
        for at in range(10)
    ]
    sent = packets(
        "-10 10.0.0.1:4000 10.0.0.2:80 SYN out",
        "500 10.0.0.1:4001 10.0.0.2:81 SYN out",
        endpoints=NAMES,
        processes=OWNERS,
        first=50,
    )
    report = {"completeness_percent": 99.0, "lost": {"ring": {"records": 10}}, "line": {"flows": 990}}
    rows = [row("web", "10.0.0.2", 7, 5), row("curl", "10.0.0.1", 9, 3)]
    return Node("a", [seen_by("a", 1, stored(*asked)), seen_by("a", 1, sent)], report, rows)


def server_node() -> Node:
    """`b`: the shop answers, having asked the database; a rule drops the SYN to port 81, where nginx had listened."""
    said = [
        Said(PAID, "10.0.0.1:4000", asked_ns=at * 20 * MS + MS, who=HOST, whom=WEB, process=NGINX) for at in range(10)
    ]
    said += [Said(SQL, f"10.0.0.2:{port}", "10.0.0.3:5432", at, "client", WEB, DB, NGINX) for port, at in QUERIES]
    came = packets(
        "-9 10.0.0.1:4000 10.0.0.2:80 SYN in",
        "100 10.0.0.7:4001 10.0.0.2:81 SYN in",
        "101 10.0.0.2:81 10.0.0.7:4001 SYN,ACK <out",
        "501 10.0.0.1:4001 10.0.0.2:81 SYN in NETFILTER_DROP nft_do_chain+0x46f",
        endpoints=NAMES, processes={"10.0.0.2:80": NGINX, "10.0.0.2:81": NGINX}, first=50,
    )  # fmt: skip
    report = {
        "completeness_percent": 100.0,
        "lost": {"ring": {"records": 0}, "map": {"records": 0}},
        "line": {"flows": 9000},
    }
    return Node(
        "b",
        [seen_by("b", 2, stored(*said)), seen_by("b", 2, came)],
        report,
        [row("web", "10.0.0.2", 7, 4), row("", "10.0.0.1")],
    )


def database_node() -> Node:
    """`c`: the database answers."""
    said = [
        Said(SQL, f"10.0.0.2:{port}", "10.0.0.3:5432", at + MS // 5, "server", WEB, DB, POSTGRES)
        for port, at in QUERIES
    ]
    return Node(
        "c",
        [seen_by("c", 3, stored(*said))],
        {"lost": {"map": {"records": 5}}, "line": {"flows": 5}},
        [row("", "10.0.0.1")],
    )


@contextmanager
def cluster(*made: Node, others: tuple[str, ...] = (), timeout_s: float = 5, **listen: Any) -> Iterator[Relayed]:
    """A relay over these and other addresses, which may be nobody's; it waits so long for an answer. `listen` as
    `ListenSettings`.
    """
    started = [node.start() for node in made]
    try:
        with relaying(settings=PoolSettings(ClientSettings(request_timeout_s=timeout_s)), **listen) as relayed:
            relayed.update([*(node.address for node in started), *others])
            wait_for(lambda: all(relayed.states()[node.address] == "READY" for node in started), "the nodes")
            yield relayed
    finally:
        for node in started:
            node.close()

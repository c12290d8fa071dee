"""A ring of what was asked: a shop with its database, seen at one end or both."""

from typing import Any

from rubin.model.exchanges import expanded
from rubin.model.messages import DNS, Message, MessageType
from rubin.model.tables import Container, Contents, Endpoint, Process, Tables, Translation, Workload
from rubin.store.ring import Ring
from tests.exchanges import MS, Said, http, stored
from tests.flows import flows

TRACE = "0af7651916cd43dd8448eb211c80319c"
SINCE, UNTIL = "2023-11-14T22:13:20Z", "2023-11-14T22:13:30Z"
TIMES = ("--since", SINCE, "--until", UNTIL)

_WEB = Endpoint(7, 31573, "", "shop", ("k8s:app=web",), "web-7d4b", (Workload("web", "Deployment"),))
_DB = Endpoint(3, 18440, "", "shop", (), "db", container=Container("0f1e2d", "db", "postgres:16"))
_CURL = Endpoint(identity=1, namespace="host", pod_name="curl")
_NGINX, _POSTGRES = Process(1234, "nginx", 33, user="www-data", cgroup="/web"), Process(77, "postgres", cgroup="/db")
_ASKS = Process(4321, "curl", 1000, user="me")
_SQL = Message(
    MessageType.EXCHANGE, "postgresql", "SELECT", target="SELECT * FROM items WHERE id = ?", latency_ns=MS // 3,
    request_bytes=70, response_bytes=900, trace_id=TRACE, attributes=(("db", "shop"), ("user", "web")),
)  # fmt: skip
_NAME = Message(
    MessageType.EXCHANGE, "dns", "A", target="db.shop.", latency_ns=MS // 5,
    dns=DNS("db.shop.", ("10.0.0.3",), 30, ("a.db.shop.",), qtypes=("A",)),
)  # fmt: skip


def shop() -> Ring:
    """Items, one of them missing; payments that fail, one that nobody answers; SQL, a name, a trace of two."""
    tables, ring = Tables(), Ring(again=expanded)
    web: dict[str, Any] = {"who": _CURL, "whom": _WEB, "process": _NGINX, "cookie": 5}
    said = [
        Said(http(f"/items/{at}", latency_ns=at * MS, request_bytes=120, response_bytes=4_300), asked_ns=at * MS, **web)
        for at in range(1, 41)
    ]
    said += [
        Said(http("/missing", 404, latency_ns=MS), **web),
        Said(http("/pay", 503, latency_ns=1_200 * MS, trace_id=TRACE, attributes=(("x-shop", "1"),)), asked_ns=50 * MS,
             client="10.0.0.1:4001", contents=Contents(translation=Translation("10.96.0.10", 8080)), **web),
        Said(http("/pay", 0), client="10.0.0.1:4002", **web),
        Said(_SQL, "10.0.0.2:5000", "10.0.0.3:5432", 60 * MS, "client", _WEB, _DB, _NGINX, 8),
        Said(_SQL, "10.0.0.2:5000", "10.0.0.3:5432", 60 * MS + 50_000, "server", _WEB, _DB, _POSTGRES, 9),
        Said(_NAME, "10.0.0.2:5001", "10.0.0.53:53", 55 * MS, "client", _WEB, process=_NGINX),
    ]  # fmt: skip
    ring.append(stored(*said, tables=tables))
    ring.append(flows("""
        src           dst           is_reply trace_point traffic_direction srtt_us retransmits connect_latency_us
        10.0.0.1:4001 10.0.0.2:80   0        TO_STACK    EGRESS            0       0           250
        10.0.0.2:80   10.0.0.1:4001 1        TO_STACK    INGRESS           120     2           0
    """, tables))  # fmt: skip
    return ring

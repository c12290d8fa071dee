"""Rings in which something went wrong, for whoever explains it."""

from dataclasses import replace
from typing import Any

import numpy as np

from rubin.model.batch import FlowBatch
from rubin.model.exchanges import expanded
from rubin.model.messages import DNS, Message, MessageType
from rubin.model.tables import Endpoint, Process, Tables, Workload
from rubin.store.ring import Ring
from tests.exchanges import MS, TIME_NS, Said, http, stored
from tests.flows import flows

HIGH = 0x0123_4567_89AB_4DEF
CURL, NGINX = Process(9, "curl", 1000, user="me", netns=1), Process(10, "nginx", 33, user="www-data", netns=1)
WEB = Endpoint(7, 31573, "", "shop", ("k8s:app=web",), "web-7d4b", (Workload("web", "Deployment"),))
HOST = Endpoint(identity=1, namespace="host", pod_name="curl", workloads=(Workload("curl", "Process"),))
HEAD = (
    "time_ns src dst tcp_flags trace_point event_sub_type traffic_direction is_reply tcp_event verdict "
    "kernel_drop_reason drop_location"
)


def packets(
    *rows: str, first: int = 0, endpoints: dict[str, Endpoint] | None = None, processes: Any = None, **columns: Any
) -> FlowBatch:
    """Rows `ms src dst flags point verdict reason`, the last two where it was dropped; a point is `out` or `in` at a
    socket, and `<` before it says that the packet goes against the opener. Names by address, owners by address.
    """
    tables, lines = Tables(), [HEAD]
    for line in rows:
        at, source, destination, flags, point, *lost = line.split()
        reply, out = point.startswith("<"), point.endswith("out")
        trace = "UNKNOWN_POINT" if lost else "TO_STACK" if out else "TO_ENDPOINT"
        way = "EGRESS" if out != reply or (lost and out) else "INGRESS"
        event = "CONNECT" if flags == "SYN,ACK" and point == "<in" else "NONE"
        time_ns = TIME_NS + int(float(at) * MS)
        verdict, reason, where = ("DROPPED", *lost) if lost else ("FORWARDED", "-", "-")
        number = 3 if trace == "TO_STACK" else 0  # the datapath's own
        fields = (time_ns, source, destination, flags, trace, number, way, -1 if lost else int(reply), event)
        lines.append(" ".join(map(str, (*fields, verdict, reason, where))))
    batch = flows("\n".join(lines), tables)
    count = len(batch)
    known = {
        "uuid_high": np.full(count, HIGH, np.uint64),
        "uuid_low": np.arange(first, first + count, dtype=np.uint64) | np.uint64(1 << 63),
        "node_name": np.full(count, tables.strings.code("node-1")),
    }
    words = [row.split() for row in rows]
    for place, side in enumerate(("source", "destination"), 1):
        names = [(endpoints or {}).get(_host(row[place]), Endpoint()) for row in words]
        known[f"{side}_endpoint"] = tables.endpoints.codes(names)
    local = [row[1] if row[4].endswith("out") else row[2] for row in words]
    of = processes or {}
    owners = [
        Process() if len(row) > 5 else of.get(one, of.get(_host(one), Process()))
        for one, row in zip(local, words, strict=True)
    ]
    known["process"] = tables.processes.codes(owners)
    return batch.with_columns(**known | columns)


def _host(end: str) -> str:
    return end.rpartition(":")[0].strip("[]") if ":" in end else end


def uuid(number: int) -> str:
    """Of the row with that number."""
    text = f"{HIGH:016x}{number | 1 << 63:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def ring(*batches: FlowBatch) -> Ring:
    """As the agent's."""
    made = Ring(again=expanded)
    for batch in batches:
        made.append(batch)
    return made


def sections(found: dict[str, Any]) -> dict[str, str]:
    """The lines of each section by its title."""
    return {one["title"]: "\n".join(one["lines"]) for one in found["sections"]}


NAMES = {"10.0.0.1": HOST, "10.0.0.2": WEB}
OWNERS = {"10.0.0.1": CURL, "10.0.0.2:80": NGINX}


def opened(at: float, port: int, server: str = "10.0.0.2:80") -> list[str]:
    """A connection that works: seen at both sockets, closed by the client."""
    client = f"10.0.0.1:{port}"
    return [
        f"{at} {client} {server} SYN out",
        f"{at + 0.1} {client} {server} SYN in",
        f"{at + 0.2} {server} {client} SYN,ACK <out",
        f"{at + 0.3} {server} {client} SYN,ACK <in",
        f"{at + 3} {client} {server} ACK,PSH,FIN out",
        f"{at + 3.1} {server} {client} ACK,PSH,FIN <out",
    ]


def filtered() -> Ring:
    """A name asked for, a port that answers twice, then a rule that drops every SYN to it; nobody listens at 81."""
    name = Message(
        MessageType.EXCHANGE, "dns", "A", target="web.shop.", latency_ns=MS // 5,
        dns=DNS("web.shop.", ("10.0.0.2",), 30, ("www.shop.",), qtypes=("A",)),
    )  # fmt: skip
    asked = Said(name, "10.0.0.1:5001", "10.0.0.53:53", end="client", who=HOST, process=CURL)
    rows = [*opened(1_000, 4000), *opened(2_000, 4001)]
    for at, port in ((60_000, 4002), (61_000, 4002), (70_000, 4003)):
        rows.append(f"{at} 10.0.0.1:{port} 10.0.0.2:80 SYN out")
        rows.append(f"{at + 0.1} 10.0.0.1:{port} 10.0.0.2:80 SYN in NETFILTER_DROP nft_do_chain+0x46f")
    rows.append("70500 10.0.0.9:4004 10.0.0.2:80 SYN in NETFILTER_DROP nft_do_chain+0x46f")
    rows += [
        "71000 10.0.0.1:4005 10.0.0.2:81 SYN out",
        "71000.1 10.0.0.2:81 10.0.0.1:4005 ACK,RST <out",
        "71000.2 10.0.0.1:4005 10.0.0.2:81 SYN in NO_SOCKET tcp_v4_rcv+0x99",
        "71000.3 10.0.0.2:81 10.0.0.1:4005 ACK,RST <in",
    ]
    said = stored(replace(asked, asked_ns=500 * MS), first=900)
    slow = Said(
        http("/pay", 503, latency_ns=20 * MS), "10.0.0.1:4001", "10.0.0.2:80", 2_001 * MS, who=HOST, whom=WEB,
        process=NGINX,
    )  # fmt: skip
    return ring(said, packets(*rows, endpoints=NAMES, processes=OWNERS), stored(slow, first=950))

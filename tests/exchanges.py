"""Requests and answers as the ring stores them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rubin.model import addresses
from rubin.model.batch import FlowBatch
from rubin.model.columns import DTYPES
from rubin.model.enums import Direction, EventType, FlowType, Protocol, Verdict
from rubin.model.messages import Message, MessageType
from rubin.model.tables import Contents, Endpoint, Process, Tables

TIME_NS = 1_700_000_000_000_000_000
HIGH = 0x2D1C1D2E90A84A6B
MS = 1_000_000
_NOBODY, _NO_PROCESS, _NOTHING = Endpoint(), Process(), Contents()


@dataclass(frozen=True)
class Said:
    """One exchange at one end; `asked_ns` after `TIME_NS`."""

    message: Message
    client: str = "10.0.0.1:4000"
    server: str = "10.0.0.2:80"
    asked_ns: int = 0
    end: str = "server"
    who: Endpoint = _NOBODY
    whom: Endpoint = _NOBODY
    process: Process = _NO_PROCESS
    cookie: int = 0
    contents: Contents = _NOTHING
    protocol: Protocol = Protocol.TCP


def http(path: str = "/", status: int = 200, **more: Any) -> Message:
    """A request and its answer after 4 ms; status 0: nobody answered."""
    known: dict[str, Any] = {
        "type": MessageType.EXCHANGE if status else MessageType.REQUEST,
        "latency_ns": 4 * MS if status else 0,
    }
    known |= {"protocol": "http", "method": "GET", "authority": "shop", "target": path, "version": "HTTP/1.1"}
    return Message(**known | {"status": status, "failed": status >= 400} | more)


def stored(*rows: Said, tables: Tables | None = None, first: int = 0) -> FlowBatch:
    """The rows as the line hands them on; UUIDs count up from `first`."""
    tables = tables or Tables()
    made = [_row(one, tables) for one in rows]
    columns = {name: np.array([row[name] for row in made], DTYPES[name]) for name in made[0]}
    columns["message"] = tables.messages.codes(one.message for one in rows)
    count = len(rows)
    columns |= {
        "uuid_high": np.full(count, HIGH, np.uint64),
        "uuid_low": np.arange(first, first + count, dtype=np.uint64) | np.uint64(1 << 63),
        "verdict": np.full(count, Verdict.FORWARDED),
        "flow_type": np.full(count, FlowType.L7),
        "event_type": np.full(count, EventType.L7),
        "ip_version": np.full(count, 1),
        "node_name": np.full(count, tables.strings.code("node-1")),
    }
    return FlowBatch(columns, tables)


def _row(one: Said, tables: Tables) -> dict[str, int]:
    answered = one.message.type != MessageType.REQUEST
    ends = (one.client, one.who), (one.server, one.whom)
    row = {"time_ns": TIME_NS + one.asked_ns + one.message.latency_ns, "is_reply": int(answered)}
    for side, (text, endpoint) in zip(("source", "destination"), reversed(ends) if answered else ends, strict=True):
        address, _, port = text.rpartition(":")
        row[f"{side}_high"], row[f"{side}_low"] = addresses.pair(address.strip("[]"))
        row[f"{side}_port"] = int(port)
        row[f"{side}_endpoint"] = tables.endpoints.code(endpoint)
    row["traffic_direction"] = Direction.INGRESS if one.end == "server" else Direction.EGRESS
    row["process"] = tables.processes.code(one.process)
    row["contents"] = tables.contents.code(one.contents)
    return row | {"socket_cookie": one.cookie, "protocol": one.protocol}

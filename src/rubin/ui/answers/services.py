"""Requests put together, as `rubin top` does, with what shows how their latency was spread over time."""

from typing import Any

import numpy as np

from rubin.api.client import Client
from rubin.errors import UsageError
from rubin.model.codes import mix
from rubin.model.exchanges import added
from rubin.model.filter import Filters
from rubin.model.messages import PROTOCOLS, MessageType
from rubin.query.drops import uuid_text
from rubin.query.failing import is_young
from rubin.query.gathered import Gathered
from rubin.query.picture import chosen
from rubin.query.places import sound
from rubin.query.question import DEFAULT_BY, SORTS, Question
from rubin.query.said import as_asked
from rubin.query.top import top
from rubin.store.ring import Ring
from rubin.ui.desk import Desk, filters_in, number_of, rest_of, span_of
from rubin.wire.filters import put_filters
from rubin.wire.pb.observer_pb2 import GetFlowsRequest
from rubin.words.terms import Term, asked_by_query, canonical, filters, query_of

Answer = dict[str, Any]

BOUNDS_NS = tuple(round(10_000 * 10 ** (step / 4)) for step in range(25))
"""Upper bounds of latency, four a decade from 10 µs to 10 s; what took longer is in a part of its own."""
_TIMES = 60
_DEFAULT_NS = 300_000_000_000
_MOST_ROWS = 1_000
_TYPES = (MessageType.EXCHANGE, MessageType.RESPONSE, MessageType.REQUEST)


async def services(desk: Desk, query: str) -> Answer:
    """What `query.top` gives, with `query` and `uuid` in each row and, by service, `heat`. Raises RubinError."""
    rest = rest_of(query)
    now_ns = desk.now_ns()
    since_ns, until_ns = span_of(rest, now_ns, now_ns - _DEFAULT_NS)
    question = Question(
        by=rest.get("by", "service"),
        sort=rest.get("sort", SORTS[0]),
        number=number_of("number", rest.get("number", ""), 50, _MOST_ROWS),
        filters=filters_in(query),
        since_ns=since_ns,
        until_ns=until_ns,
    )
    question.check()
    if until_ns < since_ns:
        raise UsageError("the time ends before it begins", "since before until")
    if desk.feed.state.is_ours:
        found = await desk.ask(lambda client: _asked(client, query, question))
    else:
        found = await desk.look(top, desk.ring, question, now_ns)
    heats = await desk.look(_heats, desk.ring, question, since_ns, until_ns)
    for row in found["rows"]:
        row["query"] = query_of(canonical(sound(_terms(row))))
        heat = heats.get(_key(row), {})
        row["uuid"] = heat.get("uuid", "")
        if question.by == "service":
            row["heat"] = {
                "bounds_ns": BOUNDS_NS,
                "counts": heat.get("counts", []),
                "bucket_ms": max(1, until_ns - since_ns) / _TIMES / 1e6,
            }
    found["duration_ms"] = max(0, found["until_ns"] - found["from_ns"]) / 1e6
    return found


async def _asked(client: Client, query: str, question: Question) -> Answer:
    request = GetFlowsRequest()
    put_filters(request, *filters(asked_by_query(query).terms))
    request.since.FromNanoseconds(question.since_ns or 0)
    request.until.FromNanoseconds(question.until_ns or 0)
    return await client.top(request, question.by or DEFAULT_BY, question.sort, question.number)


def _key(row: Answer) -> tuple[str, str]:
    return row["protocol"], row.get("server", "")


def _terms(row: Answer) -> list[Term]:
    """What asks for the flows of a row, as far as a filter can."""
    terms = [Term("protocol", row["protocol"])] if row["protocol"] in PROTOCOLS[1:] else []
    for name, way in (("server", "to"), ("client", "from")):
        if row.get(name):
            terms += _party(row[name], way)
    http = row["protocol"] in ("http", "grpc")
    if http and row.get("method"):
        terms.append(Term("http-method", row["method"]))
    if row.get("process", {}).get("command") and "role" in row:
        terms.append(Term("process", row["process"]["command"]))
    return terms


def _party(name: str, way: str) -> list[Term]:
    """By the way in which `top` writes names: `ns/name`, `name:port`, `[address]:port`."""
    host, colon, port = name.rpartition(":")
    if not colon or not port.isdecimal():
        host, port = name, ""
    host = host.strip("[]")
    terms = [Term(f"{way}-port", port)] if port else []
    if sound([Term(f"{way}-ip", host)]):
        return [Term(f"{way}-ip", host), *terms]
    namespace, slash, own = host.partition("/")
    if slash and not port:
        return [Term(f"{way}-namespace", namespace), Term(f"{way}-workload", own)]
    return [Term(f"{way}-pod", host) if slash else Term(f"{way}-fqdn", host.partition(",")[0].rstrip(".")), *terms]


def _heats(ring: Ring, question: Question, since_ns: int, until_ns: int) -> dict[tuple[str, str], Answer]:
    """By protocol and server: latencies by time and bound, and the UUID of the latest that failed, else the slowest."""
    gathered = Gathered("service")
    found: dict[tuple[str, str], Answer] = {}
    for view in ring.scan(since_ns=since_ns, until_ns=until_ns):
        said = np.flatnonzero(view["message"])
        batch = _ended(view.take(said).without_lost(), question.filters, since_ns, until_ns) if len(said) else None
        if batch is None or not len(batch):
            continue
        asked = as_asked(batch)
        gathered.add(asked)
        seen = gathered.rows()[-len(batch) :]
        _put(found, gathered, seen, asked, (since_ns, until_ns))
    for one in found.values():
        one["counts"] = one["counts"].tolist()
    return found


def _ended(view: Any, filters: Filters | None, since_ns: int, until_ns: int) -> Any:
    """The rows with an answer, and those that nobody answered."""
    batch = chosen(view, filters, since_ns, until_ns)
    batch = batch.take(~added(batch))
    told = batch.tables.messages.rows(batch["message"])
    return batch.take(np.isin(told["type"], _TYPES) & ~is_young(batch, told, until_ns))


def _put(
    found: dict[tuple[str, str], Answer], gathered: Gathered, seen: Any, batch: Any, span: tuple[int, int]
) -> None:
    since_ns, until_ns = span
    time = np.clip((batch["time_ns"] - since_ns) * _TIMES // max(until_ns - since_ns, 1), 0, _TIMES - 1)
    bound = np.searchsorted(np.array(BOUNDS_NS), seen["latency_ns"].astype(np.int64))
    _, first, group = np.unique(mix(seen["protocol"], seen["server"]), return_index=True, return_inverse=True)
    width = len(BOUNDS_NS) + 1
    known, failed = seen["latency_ns"] > 0, (seen["failed"] == 1) | (seen["type"] == MessageType.REQUEST)
    cells = (group * _TIMES + time) * width + bound
    counts = np.bincount(cells[known], minlength=len(first) * _TIMES * width).reshape(-1, _TIMES, width)
    for at, row in enumerate(first.tolist()):
        key = PROTOCOLS[seen["protocol"][row]], gathered.texts[int(seen["server"][row])]
        one = found.setdefault(key, {"counts": np.zeros((_TIMES, width), np.int64), "uuid": "", "worst": (-1, -1)})
        one["counts"] += counts[at]
        mine = np.flatnonzero(group == at)
        worst = int(mine[np.lexsort((seen["latency_ns"][mine], failed[mine]))[-1]])
        rank = int(failed[worst]), int(seen["latency_ns"][worst])
        if rank >= one["worst"]:
            one["worst"] = rank
            one["uuid"] = uuid_text(int(batch["uuid_high"][worst]), int(batch["uuid_low"][worst]))

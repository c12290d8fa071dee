"""One request in full, or those of a distributed trace, from what all nodes saw of them."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rubin.api.client import Client
from rubin.api.selection import MOST_FILTERS
from rubin.errors import UsageError
from rubin.model import addresses
from rubin.model.batch import FlowBatch
from rubin.model.messages import MessageType
from rubin.model.table import Table
from rubin.model.tables import Process, Tables
from rubin.query.said import at_server, said
from rubin.query.trace import AROUND_NS, MOST, trace
from rubin.relay.questions.evidence import End, Evidence, between, gather, of_hubble, request, share
from rubin.relay.questions.nodes import Missing, Nodes
from rubin.store.ring import Ring
from rubin.wire.pb.flow_pb2 import FlowFilter
from rubin.wire.pb.observer_pb2 import GetFlowsRequest
from rubin.wire.pb.rubin_pb2 import TraceRequest

Answer = dict[str, Any]
_NEAR_NS = 1_000_000_000
_NEVER = 1 << 61
_SIDES, _PARTS = ("source", "destination"), ("high", "low", "port")
_PID_BITS = 22  # PID_MAX_LIMIT of include/linux/threads.h


async def traced(nodes: Nodes, asked: TraceRequest) -> Answer:
    """As `query.trace`. A request seen at both ends is told once; its `ends` say of each which `node` saw it, when it
    was asked and answered there and how long that took. The clocks are the nodes' own. `missing`: who did not answer.
    Raises UsageError.
    """
    nothing = trace(Ring(), asked.uuid, asked.trace_id)  # says what is wrong with the question
    if asked.trace_id:
        first = await gather(nodes, [request([FlowFilter(trace_id=[asked.trace_id])], 4 * MOST)])
        asks = await asyncio.to_thread(_asks, first, asked.trace_id)
        uuid, packets, missing = "", 0, first.missing
    else:
        uuid, asks, packets, missing = await _by_uuid(nodes, asked.uuid)
    if not asks:
        return nothing | {"packets": packets, "missing": [one._asdict() for one in missing]}
    evidence = await gather(nodes, list(_around(asks, share(nodes))), missing)
    found = await asyncio.to_thread(_told, evidence, uuid, asked.trace_id)
    return found | {"missing": [one._asdict() for one in evidence.missing]}


Ask = tuple[tuple[End, End], int, int]
"""The two ends of a request, when it was asked, and when the last of it was seen."""


async def _by_uuid(nodes: Nodes, uuid: str) -> tuple[str, list[Ask], int, list[Missing]]:
    """The one request that is meant, its UUID in full; else how many flows are meant that are none."""

    async def ask(_name: str, client: Client) -> Answer:
        return await client.trace(uuid)

    told = await nodes.ask(ask)
    answers = dict(told.answers)
    if not any(one["exchanges"] for one in answers.values()):
        held = await of_hubble(nodes, told.missing)
        if held.flows:
            answers[""] = await asyncio.to_thread(trace, held.ring(), uuid)
    found = {name: one["exchanges"][0] for name, one in answers.items() if one["exchanges"]}
    if len(found) > 1:
        what = f"{len(found)} requests have a UUID that begins or ends with '{uuid}', at {', '.join(found)}"
        raise UsageError(what, "more of its digits")
    for one in found.values():
        full = one.get("response_uuid") or one.get("request_uuid", "")
        return full, [_ask(one)], 0, told.missing
    return "", [], sum(one["packets"] for one in answers.values()), told.missing


def _ask(one: Answer) -> Ask:
    client, server = ((one[side]["address"], one[side].get("port", 0)) for side in ("client", "server"))
    asked_ns = int(one["asked_ns"])
    return (client, server), asked_ns, int(one.get("answered_ns", asked_ns))


def _asks(evidence: Evidence, trace_id: str) -> list[Ask]:
    """The requests of a trace, as far as they are told of."""
    return [_ask(one) for one in trace(evidence.ring(), trace_id=trace_id)["exchanges"]]


def _around(asks: list[Ask], most: int) -> Iterable[GetFlowsRequest]:
    """The flows of their connections while they were asked, of which there may be `most` later ones; and around."""
    pairs = {(min(ends), max(ends)) for ends, _, _ in asks}
    filters = [each for one, other in sorted(pairs) for each in between(one, other)]
    since_ns, until_ns = min(one[1] for one in asks), max(one[2] for one in asks)
    for around_ns in (_NEAR_NS, AROUND_NS):
        for at in range(0, len(filters), MOST_FILTERS):
            yield request(filters[at : at + MOST_FILTERS], most, since_ns - around_ns, until_ns + around_ns)


def _told(evidence: Evidence, uuid: str, trace_id: str) -> Answer:
    ring = evidence.ring(_own_processes)
    found = trace(ring, uuid, trace_id)
    rows = defaultdict(list)
    for row in _rows(ring, [one["asked_ns"] for one in found["exchanges"]]):
        rows[row["end"], row.pop("_alike")].append(row)
    for one in found["exchanges"]:
        one["ends"] = list(_ends(rows, one))
        for side in ("client", "server"):
            if process := one[side].get("process"):
                _put_back(process)
    return found


def _own_processes(batch: FlowBatch, number: int) -> FlowBatch:
    """Numbers of processes and cgroups mean something on their node only: here each node has numbers of its own, so
    that who called whom is not mistaken.
    """

    def own(one: Process) -> Process:
        return replace(one, pid=one.pid + (number << _PID_BITS), cgroup=f"{number}:{one.cgroup}") if one.pid else one

    codes, where = np.unique(batch["process"], return_inverse=True)
    table, old = Table(Process()), batch.tables
    made = table.codes(map(own, old.processes.read(codes)))[where]
    tables = Tables(old.strings, old.endpoints, table, old.links, old.contents, old.messages)
    columns = {name: batch[name] for name in batch.names()}
    return FlowBatch(columns | {"process": made}, tables, batch.lost)


def _put_back(process: Answer) -> None:
    """As the node knows it."""
    process["pid"] &= (1 << _PID_BITS) - 1
    process["cgroup"] = process["cgroup"].partition(":")[2]
    if not process["cgroup"]:
        del process["cgroup"]


def _rows(ring: Ring, times: list[int]) -> Iterable[Answer]:
    """Requests and answers about these times, each as one end saw it."""
    ordered = np.sort(np.array([-_NEVER, *times, _NEVER]))
    for batch in said(ring):
        told = batch.tables.messages
        asked = batch["time_ns"] - told.rows(batch["message"])["latency_ns"].astype(np.int64)
        after = np.searchsorted(ordered, asked, "right").clip(1, len(ordered) - 1)
        near = np.minimum(ordered[after] - asked, asked - ordered[after - 1]) <= _NEAR_NS
        found = batch.take(np.flatnonzero(near)).without_lost()
        ends = zip(*(found[f"{side}_{part}"].tolist() for side in _SIDES for part in _PARTS), strict=True)
        columns = (found["time_ns"].tolist(), at_server(found).tolist(), found.rows("node_name"), ends)
        for message, time_ns, inbound, node, six in zip(told.read(found["message"]), *columns, strict=True):
            yield {
                "end": "server" if inbound else "client",
                "node": node,
                "asked_ns": time_ns - message.latency_ns,
                "answered_ns": 0 if message.type == MessageType.REQUEST else time_ns,
                "latency_ns": message.latency_ns,
                "_alike": (_end(*six[:3]), _end(*six[3:]), message.protocol, message.method, message.target),
            }


def _end(high: int, low: int, port: int) -> End:
    return addresses.text(high, low), port


def _ends(rows: Mapping[tuple[str, Any], list[Answer]], one: Answer) -> Iterable[Answer]:
    """When it was asked and answered at each end: of the like ones the row that is nearest."""
    alike = (
        *((one[side]["address"], one[side].get("port", 0)) for side in ("client", "server")),
        one["protocol"], one.get("method", ""), one.get("target", ""),
    )  # fmt: skip
    answered_ns = one.get("answered_ns", 0)
    for end in one["seen_at"]:
        like = rows.get((end, alike), ())
        mine = [row for row in like if abs(row["asked_ns"] - one["asked_ns"]) <= _NEAR_NS]
        if mine:
            # What is told of the whole is the server's where it was seen there: its answer's time is exact.
            best = min(
                mine, key=lambda row: (row["answered_ns"] != answered_ns, abs(row["asked_ns"] - one["asked_ns"]))
            )
            yield {name: value for name, value in best.items() if value != 0}

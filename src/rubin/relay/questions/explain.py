"""Why a flow ended as it did, from what all nodes saw of it, its connection and its like."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

from rubin.api.client import Client
from rubin.errors import UsageError
from rubin.model import addresses
from rubin.model.batch import FlowBatch
from rubin.model.points import at_socket
from rubin.query.explain import explain, text
from rubin.query.explaining.asked import by_uuid
from rubin.query.explaining.case import Case, End, case_of, with_port
from rubin.query.explaining.held import Held
from rubin.query.explaining.phrases import listed, moment
from rubin.relay.questions import evidence as asking
from rubin.relay.questions.evidence import Evidence, between, gather, of_hubble, request, share
from rubin.relay.questions.nodes import Missing, Nodes, Told
from rubin.store.ring import Ring
from rubin.wire.pb.flow_pb2 import FlowFilter
from rubin.wire.pb.observer_pb2 import GetFlowsRequest
from rubin.wire.pb.rubin_pb2 import ExplainRequest
from rubin.words.text import clean

Answer = dict[str, Any]
_OF_CONNECTION, _OF_DNS = 4_000, 2_000
"""Of a node at most; of the connection before the flow, and after it."""
_AFTER_NS = 60_000_000_000


async def explained(nodes: Nodes, asked: ExplainRequest) -> Answer:
    """As `query.explain`, of the flows of all nodes: the node that saw a drop tells of it, others of the sockets, the
    listener and the names that they saw. A last section, "Nodes", says who saw what, who did not answer, and of whom
    only the latest flows to the port were looked at. Raises UsageError.
    """
    nothing = explain(Ring(), asked.flow, asked.source, asked.destination)  # says what is wrong with the question

    async def ask(_name: str, client: Client) -> Answer:
        return await client.explain(asked.flow, asked.source, asked.destination)

    told = await nodes.ask(ask)
    uuid = _meant(told, asked.flow) or await _of_hubble(nodes, told.missing, asked)
    known = await gather(nodes, [request([FlowFilter(uuid=[uuid])], 1)], told.missing) if uuid else Evidence()
    meant = by_uuid(Held(known.ring()), uuid) if any(known.flows.values()) else None
    if meant is None or meant.row is None:
        return _unknown(nothing, told)
    of_connection = list(_connection(meant.row))
    connection = await gather(nodes, of_connection, known.missing)
    case = await asyncio.to_thread(_case, connection, uuid)
    more = await gather(nodes, [*of_connection, *_others(case, share(nodes))], connection.missing)
    return await asyncio.to_thread(_told, more, case, uuid, bool(asked.flow))


def _meant(told: Told[Answer], flow: str) -> str:
    """The UUID of the flow that is meant, of a pair the latest; "" where no node knows of one."""
    found = {name: one for name, one in told.answers.items() if one.get("uuid")}
    if flow and len({one["uuid"] for one in found.values()}) > 1:
        what = f"{len(found)} flows have a UUID that begins or ends with '{flow}', at {', '.join(found)}"
        raise UsageError(what, "more of its digits")
    return str(max(found.values(), key=lambda one: int(one["time_ns"]))["uuid"]) if found else ""


async def _of_hubble(nodes: Nodes, missing: Iterable[Missing], asked: ExplainRequest) -> str:
    """The same of what Hubble's nodes hold."""
    held = await of_hubble(nodes, missing)
    if not held.flows:
        return ""
    found = await asyncio.to_thread(explain, held.ring(), asked.flow, asked.source, asked.destination)
    return str(found["uuid"])


def _connection(row: FlowBatch) -> Iterator[GetFlowsRequest]:
    """The flows of its connection that are nearest to it: after it may come more than can be looked at."""
    ends = []
    for side in ("source", "destination"):
        address = addresses.text(row[f"{side}_high"][0], row[f"{side}_low"][0])
        ends.append((address, int(row[f"{side}_port"][0])))
    time_ns, filters = int(row["time_ns"][0]), list(between(*ends))
    yield request(filters, _OF_CONNECTION, until_ns=time_ns)
    yield request(filters, _OF_CONNECTION, time_ns, time_ns + _AFTER_NS, first=True)


def _case(evidence: Evidence, uuid: str) -> Case:
    held = Held(evidence.ring())
    row = by_uuid(held, uuid).row
    if row is None:
        raise UsageError(
            f"the flow '{uuid}' is no longer held", "a later one; rubin observe -o json shows what is held"
        )
    return case_of(held, row)


def _others(case: Case, most: int) -> Iterator[GetFlowsRequest]:
    """The flows to and from the port, the client's answers of the DNS before it, and how far back each node reaches."""
    server, client = ((end.address, end.port) for end in (case.server, case.client))
    if case.server.port:
        yield request(asking.at(server, _protocol(case)), most)
    names = asking.at((client[0], 0), "dns")
    yield request(names, _OF_DNS, until_ns=case.time_ns + _AFTER_NS)
    yield GetFlowsRequest(number=1, first=True)


def _protocol(case: Case) -> str:
    return "tcp" if case.is_tcp else "udp"


def _told(evidence: Evidence, case: Case, uuid: str, by_flow: bool) -> Answer:
    ring, found = evidence.ring(), dict[str, Any]()
    if not by_flow:
        destination = with_port(case.server.address, case.server.port)
        found = explain(ring, source=case.client.address, destination=destination)
    if not found or not found["uuid"]:
        found = explain(ring, uuid)
    return _with_nodes(found, _seen(evidence, case))


def _with_nodes(found: Answer, lines: Iterable[str]) -> Answer:
    sections = [*found["sections"], {"title": "Nodes", "lines": [clean(line) for line in lines]}]
    return found | {"sections": sections, "text": text(sections)}


def _seen(evidence: Evidence, case: Case) -> Iterator[str]:
    """Who saw what, who did not answer, whose flows were not all looked at."""
    saw = [name for name in evidence.flows if any(_is_of(batch, case).any() for batch in evidence.flows[name])]
    others = [name for name in evidence.flows if name not in saw]
    yield f"The connection was seen at {listed(saw)}{f'; {listed(others)} saw nothing of it' if others else ''}."
    for title, end in (("client", case.client), ("server", case.server)):
        where = [name for name in saw if any(_at(batch, case, end) for batch in evidence.flows[name])]
        yield f"The {title}'s socket: {f'at {listed(where)}' if where else 'no node that answered saw it'}."
    for name, batches in evidence.flows.items():
        times = [int(batch["time_ns"].min()) for batch in batches if len(batch)]
        if times:
            only = f"; there are more than the {evidence.count(name):,} flows that were looked at" * (
                name in evidence.cut
            )
            yield f"{name} reaches back to {moment(min(times))}{only}."
    yield from _missing(evidence.missing)


def _missing(missing: Iterable[Missing]) -> Iterator[str]:
    for one in missing:
        yield f"{one.name} did not answer ({one.why}): what it saw is not known."


def _is_of(batch: FlowBatch, case: Case) -> Any:
    """(n,) bool: rows of the connection."""
    return case.toward(batch) | case.back(batch)


def _at(batch: FlowBatch, case: Case, end: End) -> bool:
    """Whether rows of the connection were seen at the socket of this end."""
    toward, back = case.toward(batch), case.back(batch)
    side, other = ("source", "destination") if end == case.client else ("destination", "source")
    return bool((toward & at_socket(batch, side)).any() or (back & at_socket(batch, other)).any())


def _unknown(nothing: Answer, told: Told[Answer]) -> Answer:
    """That no node knows of such a flow, and what each says instead."""
    lines = list[str]()
    for name, one in told.answers.items():
        for number, line in enumerate(one["sections"][0]["lines"] if one.get("sections") else ()):
            lines += [] if line in lines else [line if not number else f"{name}: {line}"]
    sections = [{"title": "Verdict", "lines": lines}] if lines else nothing["sections"]
    if not told.missing:
        return nothing | {"sections": sections, "text": text(sections)}
    return _with_nodes(nothing | {"sections": sections}, _missing(told.missing))

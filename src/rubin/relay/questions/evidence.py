"""Flows of all nodes that a question is about, in a ring of their own, so that it is answered here as at one node."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rubin.api.client import Client, OnStatus
from rubin.errors import RubinError
from rubin.model.batch import FlowBatch
from rubin.model.identical import keys
from rubin.relay.questions.nodes import HUBBLE, Missing, Nodes
from rubin.store.ring import Ring
from rubin.wire.pb.flow_pb2 import FlowFilter
from rubin.wire.pb.observer_pb2 import GetFlowsRequest, GetFlowsResponse
from rubin.wire.pb.relay_pb2 import NODE_ERROR, NODE_UNAVAILABLE

Made = Callable[[FlowBatch, int], FlowBatch]
End = tuple[str, int]
"""An address, and a port; 0: it has none."""
_MOST_FLOWS, _LEAST_FLOWS, _ALL_FLOWS = 20_000, 1_000, 400_000
"""Of a node at most, at least, and of all together."""
_OF_HUBBLE, _LEAST_OF_HUBBLE = 100_000, 1_000
_NODE_BIT = 48  # cookies count sockets, and are no longer


@dataclass(slots=True)
class Evidence:
    """`flows` by node, `missing` who gave none, `cut`: nodes which had as many as were asked for, and may have more."""

    flows: dict[str, list[FlowBatch]] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)

    def count(self, name: str) -> int:
        """How many flows are of this node."""
        return sum(map(len, self.flows[name]))

    def ring(self, made: Made = lambda batch, _number: batch) -> Ring:
        """All of them; `made` may change those of a node, whose number it is given.

        A cookie is a socket's on its node only: here each node has cookies of its own.
        """
        ring = Ring()
        for number, batches in enumerate(self.flows.values(), 1):
            for batch in batches:
                cookie, own = batch["socket_cookie"], np.uint64(number << _NODE_BIT)
                own_cookies = np.where(cookie > 0, cookie ^ own, cookie)
                ring.append(made(batch.with_columns(socket_cookie=own_cookies), number))
        return ring


def share(nodes: Nodes) -> int:
    """How many flows each may be asked for at once."""
    return max(_LEAST_FLOWS, min(_MOST_FLOWS, _ALL_FLOWS // max(1, len(nodes.all()))))


async def gather(
    nodes: Nodes, requests: Sequence[GetFlowsRequest], failed: Sequence[Missing] = (), only: set[str] | None = None
) -> Evidence:
    """What all nodes, Hubble's too, or `only` those of these names, answer to these requests, each flow once. Those
    that have `failed` are not waited for again.
    """
    away = [one for one in failed if one.why != HUBBLE and one.name in nodes.all()]
    cut, behind = set[str](), set[str]()

    def note(told: GetFlowsResponse) -> None:
        """What a relay among them says of its nodes."""
        if told.node_status.state_change in (NODE_UNAVAILABLE, NODE_ERROR):
            behind.update(told.node_status.node_names)

    async def ask(name: str, client: Client) -> list[FlowBatch]:
        found, known = list[FlowBatch](), np.zeros(0, np.uint64)
        for request in requests:
            count = 0
            for batch in await _flows(client, request, note):
                count += len(batch)
                own = keys(batch)
                new = ~np.isin(own, known)
                known = np.concatenate([known, own[new]])
                found.append((batch if new.all() else batch.take(new)).without_lost())
            if request.number and not request.first and count >= request.number:
                cut.add(name)
        return found

    told = await nodes.ask(ask, ours_only=False, only=(only or set(nodes.all())) - {one.name for one in away})
    cannot = (Missing(name, "its relay cannot reach it") for name in sorted(behind))
    return Evidence(told.answers, [*away, *told.missing, *cannot], sorted(cut))


async def of_hubble(nodes: Nodes, missing: Iterable[Missing]) -> Evidence:
    """The last flows of Hubble's nodes, which cannot be asked for more; of those that could not answer."""
    names = {one.name for one in missing if one.why == HUBBLE}
    if not names:
        return Evidence()
    number = max(_LEAST_OF_HUBBLE, _OF_HUBBLE // len(names))
    return await gather(nodes, [GetFlowsRequest(number=number)], only=names)


async def _flows(client: Client, request: GetFlowsRequest, note: OnStatus) -> list[FlowBatch]:
    try:
        async with asyncio.timeout(client.settings.request_timeout_s), aclosing(client.flows(request, note)) as batches:
            return [batch async for batch in batches]
    except TimeoutError as error:
        sentence = f"{client.target.text} did not send its flows within {client.settings.request_timeout_s:g} s"
        raise RubinError(sentence, "ask again; its log says why") from error


def between(one: End, other: End) -> Iterable[FlowFilter]:
    """Filters of the flows from the one to the other, and back."""
    for source, destination in ((one, other), (other, one)):
        yield FlowFilter(**_side("source", source), **_side("destination", destination))


def at(end: End, protocol: str) -> Iterable[FlowFilter]:
    """Filters of the flows of a protocol from and to one end."""
    for side in ("source", "destination"):
        yield FlowFilter(**_side(side, end), protocol=[protocol])


def _side(side: str, end: End) -> dict[str, Any]:
    address, port = end
    return {f"{side}_ip": [address]} | ({f"{side}_port": [str(port)]} if port else {})


def request(
    filters: Iterable[FlowFilter], number: int, since_ns: int = 0, until_ns: int = 0, first: bool = False
) -> GetFlowsRequest:
    """For the last, or the first, `number` of these flows between two times; 0 is no limit."""
    made = GetFlowsRequest(whitelist=filters, number=number, first=first)
    if since_ns:
        made.since.FromNanoseconds(since_ns)
    if until_ns:
        made.until.FromNanoseconds(until_ns)
    return made

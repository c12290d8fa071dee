"""Which requests of all nodes are busiest, slowest or failing: computed at the nodes, put together here."""

import asyncio
import json
import time
from typing import Any

import numpy as np

from rubin.api.client import Client
from rubin.api.columns import question_of
from rubin.query.question import MOST_ROWS, Question
from rubin.query.top_merged import merged
from rubin.relay.questions.nodes import Missing, Nodes, Told
from rubin.wire.pb.rubin_pb2 import TopRequest, TopResponse

Answer = dict[str, Any]

_ROWS, _LEAST_ROWS = 50_000, 1_000
_CONNECTIONS, _LEAST_CONNECTIONS, _MOST_CONNECTIONS = 4_000_000, 10_000, 200_000
_OLDER = "it is an older Rubin, whose numbers cannot be put together with others"


async def top(nodes: Nodes, request: TopRequest) -> TopResponse:
    """As a node answers; of several as `top_merged.merged` says.

    `missing` are those that did not answer. An exchange that two nodes saw counts once, by the same rule as at one
    node: it is left out at its client's node where the connection has exchanges of the protocol at its server's. Nodes
    are compared by the ends of connections: one with other addresses at either end (NAT between the nodes) counts
    twice. Exchanges on connections that were new when the nodes were asked may count twice, too, and those on more
    connections than are compared, `unmatched`.
    """
    question = question_of(request)
    if request.kind == TopRequest.CONNECTIONS:
        return _together((await nodes.ask(_asking(request))).answers)
    if request.kind == TopRequest.PART:
        told = await _parts(nodes, request, dict.fromkeys(nodes.all(), request.elsewhere))
        return TopResponse(json=json.dumps({"parts": told.answers, "missing": told.missed()}))
    ours = [peer for peer in nodes.all().values() if peer.is_ours and peer.client is not None]
    alone = len(ours) == 1 and not ours[0].is_relay()
    found = await (_of_one(nodes, request) if alone else _of_many(nodes, request, question))
    return TopResponse(json=json.dumps(found))


async def _of_one(nodes: Nodes, request: TopRequest) -> Answer:
    """Of the one node that can answer: exact."""

    async def ask(_name: str, client: Client) -> Answer:
        return client.read((await client.top_part(request)).json, dict)

    told = await nodes.ask(ask)
    found = list(told.answers.values())
    return (found[0] if found else _nothing(request)) | {"missing": told.missed()}


async def _of_many(nodes: Nodes, request: TopRequest, question: Question) -> Answer:
    asked, count = TopRequest(), max(1, len(nodes.all()))
    asked.CopyFrom(request)
    if not request.flows.HasField("until"):
        asked.flows.until.FromNanoseconds(time.time_ns())  # twice the same ones
    asked.kind = TopRequest.CONNECTIONS
    asked.number = max(_LEAST_CONNECTIONS, min(_MOST_CONNECTIONS, _CONNECTIONS // count))
    seen = await nodes.ask(_asking(asked))
    inbound = np.unique(np.concatenate([_keys(b""), *(_keys(one.inbound) for one in seen.answers.values())]))
    elsewhere = {
        name: np.intersect1d(_keys(one.outbound), inbound, assume_unique=True).tobytes()
        for name, one in seen.answers.items()
    }
    asked.kind, asked.number = TopRequest.PART, max(_LEAST_ROWS, min(MOST_ROWS, _ROWS // count))
    told = await _parts(nodes, asked, elsewhere)
    missing = [*seen.missing, *told.missing]
    missed = {"missing": [one._asdict() for one in missing]}
    if not told.answers:
        return _nothing(request) | missed
    unmatched = sum(one.left_out for one in seen.answers.values())
    return await asyncio.to_thread(merged, told.answers, question) | {"unmatched": unmatched} | missed


async def _parts(nodes: Nodes, asked: TopRequest, elsewhere: dict[str, bytes]) -> Told[Answer]:
    """The parts of these nodes, those of nodes behind a relay by their own names."""

    async def ask(name: str, client: Client) -> Answer:
        own = TopRequest()
        own.CopyFrom(asked)
        own.elsewhere = elsewhere[name]
        return client.read((await client.top_part(own)).json, dict)

    told = await nodes.ask(ask, only=set(elsewhere))
    parts, missing = dict[str, Answer](), list(told.missing)
    for name, answer in told.answers.items():
        missing += [Missing(**one) for one in answer.get("missing", ())]
        for own, one in answer.get("parts", {name: answer}).items():
            if "left_out" in one:
                parts[own if own not in parts else f"{own} ({name})"] = one
            else:
                missing.append(Missing(own, _OLDER))
    return Told(parts, missing)


def _asking(request: TopRequest) -> Any:
    async def ask(_name: str, client: Client) -> TopResponse:
        return await client.top_part(request)

    return ask


def _together(answers: dict[str, TopResponse]) -> TopResponse:
    """Connections of the nodes behind this relay as those of one."""
    of = {
        name: [_keys(b""), *(_keys(getattr(one, name)) for one in answers.values())] for name in ("inbound", "outbound")
    }
    inbound, outbound = (np.unique(np.concatenate(each)).tobytes() for each in of.values())
    return TopResponse(inbound=inbound, outbound=outbound, left_out=sum(one.left_out for one in answers.values()))


def _keys(data: bytes) -> Any:
    return np.frombuffer(data, np.uint64)


def _nothing(request: TopRequest) -> Answer:
    """Where nobody answers."""
    now_ns = time.time_ns()
    since_ns = request.flows.since.ToNanoseconds() if request.flows.HasField("since") else now_ns
    return {"from_ns": since_ns, "until_ns": now_ns, "count": 0, "errors": 0, "lost_events": 0, "rows": []}

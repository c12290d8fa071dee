"""Readers of the ring see two flows where it holds one exchange, and a number counts what they see."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rubin.api.client import Client
from rubin.api.reading import beginning
from rubin.api.selection import Selection
from rubin.api.target import ClientSettings
from rubin.model.batch import FlowBatch, concat
from rubin.model.exchanges import expanded
from rubin.model.filter import Filters, FlowFilter
from rubin.model.messages import Message, MessageType
from rubin.model.tables import Tables
from rubin.store.ring import Ring
from rubin.wire.flows import FlowEncoder
from rubin.wire.pb import flow_pb2
from rubin.wire.pb import observer_pb2 as pb
from tests.api.serving import Foreign, serving

EXCHANGE = Message(MessageType.EXCHANGE, "http", "GET", "shop", "/pay", "HTTP/1.1", 200, latency_ns=5)


def _stored(count: int, tables: Tables, start: int = 0) -> FlowBatch:
    """Two of three rows are exchanges; `socket_cookie` numbers the rows."""
    rows = np.arange(start, start + count)
    said = rows % 3 != 0
    codes = np.zeros(count, np.uint32)
    codes[said] = tables.messages.codes([EXCHANGE] * int(said.sum()))
    return FlowBatch(
        {
            "time_ns": 1_000 * (rows + 1),
            "uuid_high": np.full(count, 0x8000),
            "uuid_low": rows.astype(np.uint64) | np.uint64(1 << 63),
            "socket_cookie": rows,
            "is_reply": np.where(said, 1, -1),
            "message": codes,
        },
        tables,
    )


STORED = _stored(7, Tables())
SEEN = [flow.uuid for flow in FlowEncoder(None, "1").messages(expanded(STORED))]
REQUESTS = [flow_pb2.FlowFilter(reply=[False])]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    ring = Ring(1_000, again=expanded)
    ring.append(STORED)
    with serving(ring, tmp_path_factory.mktemp("api")) as server, Foreign(server.address) as client:
        yield client


def _uuids(responses: Any) -> list[str]:
    return [response.flow.uuid for response in responses]


def test_seven_rows_are_eleven_flows(foreign: Foreign) -> None:
    assert len(SEEN) == len(set(SEEN)) == 11
    assert _uuids(foreign.GetFlows()) == SEEN
    assert foreign.ServerStatus().num_flows == 7


@pytest.mark.parametrize("number", range(1, 16))
def test_a_number_counts_flows(foreign: Foreign, number: int) -> None:
    assert _uuids(foreign.GetFlows(number=number)) == SEEN[-number:]
    assert _uuids(foreign.GetFlows(number=number, first=True)) == SEEN[:number]


@pytest.mark.parametrize("number", range(1, 6))
def test_a_number_counts_what_a_filter_left(foreign: Foreign, number: int) -> None:
    requests = _uuids(foreign.GetFlows(whitelist=REQUESTS))
    assert len(requests) == 4
    assert _uuids(foreign.GetFlows(whitelist=REQUESTS, number=number)) == requests[-number:]
    assert _uuids(foreign.GetFlows(whitelist=REQUESTS, number=number, first=True)) == requests[:number]


def test_a_follower_begins_in_the_middle_of_an_exchange(tmp_path: Path) -> None:
    ring, tables = Ring(1_000, again=expanded), Tables()
    ring.append(_stored(3, tables))
    with serving(ring, tmp_path) as server, Foreign(server.address) as client:
        stream = client.GetFlows(number=3, follow=True)
        seen = [next(stream).flow for _ in range(3)]
        assert [(flow.socket_cookie, flow.is_reply.value) for flow in seen] == [(1, True), (2, False), (2, True)]
        ring.append(_stored(2, tables, 3))
        assert [next(stream).flow.socket_cookie for _ in range(3)] == [3, 4, 4]
        stream.cancel()


def test_what_the_wire_says_is_two_flows_of_hubbles(foreign: Foreign) -> None:
    request, response, _ = (one.flow for one in foreign.GetFlows(number=3))
    assert (request.l7.type, request.l7.http.code, request.l7.latency_ns) == (flow_pb2.REQUEST, 0, 0)
    assert (response.l7.type, response.l7.http.code, response.l7.latency_ns) == (flow_pb2.RESPONSE, 200, 5)
    assert request.l7.http.url == response.l7.http.url == "http://shop/pay"
    assert request.time.ToNanoseconds() == response.time.ToNanoseconds() - 5


def test_columns_carry_the_same(tmp_path: Path) -> None:
    ring = Ring(1_000, again=expanded)
    ring.append(STORED)

    async def ask() -> FlowBatch:
        async with (
            Client(ClientSettings(server=f"unix://{tmp_path}/s")) as client,
            aclosing(client.flows(pb.GetFlowsRequest(number=5))) as batches,
        ):
            return concat([batch async for batch in batches])

    with serving(ring, tmp_path):
        batch = asyncio.run(ask())
    assert [flow.uuid for flow in FlowEncoder(None, "1").messages(batch)] == SEEN[-5:]
    assert len(batch.tables.messages) == 1 + 2


@pytest.mark.parametrize("are_whole", [True, False])
def test_many_flows_are_found_from_the_end_across_segments(are_whole: bool) -> None:
    """`are_whole`: exchanges are one row, as in an agent; else two, as who follows a server holds them."""
    ring, tables = Ring(200_000, again=expanded) if are_whole else Ring(200_000), Tables()
    ring.append(_stored(100_000, tables) if are_whole else expanded(_stored(100_000, tables)))
    whole = concat([ring.again(view) for view in ring.scan(as_stored=True)])
    for number in (1, 2, 3, 4, 5_000, 70_001, 70_002, 166_665):
        for filters in (None, Filters([FlowFilter(reply=(True,))])):
            start = asyncio.run(beginning(ring, Selection(filters, number=number)))
            seen = concat(list(ring.scan(start.row))).take(slice(start.skip, None))
            chosen = Selection(filters).rows(whole)
            expected = whole if chosen is None else whole.take(chosen)
            left = Selection(filters).rows(seen)
            found = seen if left is None else seen.take(left)
            assert len(found) == min(number, len(expected))
            assert (found["uuid_low"] == expected["uuid_low"][-number:]).all()

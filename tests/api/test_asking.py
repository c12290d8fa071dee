"""What is asked of the requests that an agent holds, over the wire."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rubin.api.client import Client
from rubin.api.target import ClientSettings
from rubin.errors import RubinError, UsageError
from rubin.model.filter import BeyondHubble, FlowFilter
from rubin.wire.filters import put_filters
from rubin.wire.pb import observer_pb2 as pb
from tests.api.hubble import hubble
from tests.api.serving import serving
from tests.asked import TRACE, shop

T = TypeVar("T")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory: Path = tmp_path_factory.mktemp("api")
    with serving(shop(), directory):
        yield f"unix://{directory}/s"


def ask(address: str, question: Callable[[Client], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with Client(ClientSettings(server=address)) as client:
            return await question(client)

    return asyncio.run(connected())


def top(address: str, *filters: FlowFilter, **words: Any) -> dict[str, Any]:
    request = pb.GetFlowsRequest()
    put_filters(request, filters, ())
    known: dict[str, Any] = {"by": "", "sort": "", "number": 0} | words
    return ask(address, lambda client: client.top(request, **known))


def test_requests_are_put_together_at_the_server(address: str) -> None:
    found = top(address)
    assert (found["count"], found["errors"], found["lost_events"]) == (45, 3, 0)
    assert [row["count"] for row in found["rows"]] == [40, 2, 1, 1, 1]
    assert len(top(address, number=2)["rows"]) == 2
    assert [row["protocol"] for row in top(address, by="protocol", sort="failing")["rows"]] == [
        "http", "postgresql", "dns",
    ]  # fmt: skip


def test_filters_reach_it_those_beyond_hubbles_too(address: str) -> None:
    assert top(address, FlowFilter(http_status_code=("503",)))["count"] == 1
    assert top(address, FlowFilter(beyond=BeyondHubble(destination_process=("postgres",))))["count"] == 1
    assert top(address, FlowFilter(cel_expression=("_flow.l7.http.code == uint(404)",)))["count"] == 1


def test_times_reach_it(address: str) -> None:
    request = pb.GetFlowsRequest()
    request.since.FromNanoseconds(1_700_000_001_000_000_000)
    found = ask(address, lambda client: client.top(request, "", "", 0))
    assert (found["count"], found["from_ns"]) == (1, 1_700_000_001_000_000_000)


def test_a_request_and_a_trace_are_told(address: str) -> None:
    two = ask(address, lambda client: client.trace(trace_id=TRACE))["exchanges"]
    assert [(one["protocol"], one["depth"]) for one in two] == [("http", 0), ("postgresql", 1)]
    assert ask(address, lambda client: client.trace(two[1]["request_uuid"]))["exchanges"] == [two[1] | {"depth": 0}]
    assert ask(address, lambda client: client.trace("ffffffff"))["exchanges"] == []


WRONG: list[tuple[Callable[[Client], Awaitable[Any]], str]] = [
    (lambda client: client.top(pb.GetFlowsRequest(), "endpont", "", 0), "by 'endpont' does not exist"),
    (lambda client: client.top(pb.GetFlowsRequest(), "", "fast", 0), "sort 'fast' does not exist"),
    (lambda client: client.top(pb.GetFlowsRequest(first=True, follow=True), "", "", 0), "first cannot be"),
    (lambda client: client.trace("pod/web"), "'pod/web' is no UUID"),
    (lambda client: client.trace("2d1c1d2e"), "46 requests have a UUID that begins or ends with '2d1c1d2e'"),
]


@pytest.mark.parametrize(("question", "says"), WRONG)
def test_what_is_asked_wrongly_is_said(address: str, question: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        ask(address, question)
    assert refused.value.way_on


OURS: list[Callable[[Client], Awaitable[Any]]] = [
    lambda client: client.top(pb.GetFlowsRequest(), "", "", 0),
    lambda client: client.trace("2d1c1d2e"),
    lambda client: client.endpoints("web"),
]


@pytest.mark.parametrize("question", OURS)
def test_a_hubble_server_cannot_answer_and_that_is_said(question: Any) -> None:
    with hubble(lambda _method, _request, _context: None) as foreign:
        with pytest.raises(RubinError, match="cannot answer this: it is a Hubble server") as refused:
            ask(foreign, question)
        assert refused.value.way_on == "--server with the address of a Rubin agent"

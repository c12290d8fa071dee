"""Flows explained by a server of ours, over the wire; a Hubble server says that it cannot."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rubin.api.client import Client
from rubin.api.target import ClientSettings
from rubin.errors import RubinError, UsageError
from rubin.query.explain import explain
from tests.api.hubble import hubble
from tests.api.serving import serving
from tests.query.explained import filtered, uuid


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory: Path = tmp_path_factory.mktemp("api")
    with serving(filtered(), directory):
        yield f"unix://{directory}/s"


def ask(address: str, question: Callable[[Client], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    async def connected() -> dict[str, Any]:
        async with Client(ClientSettings(server=address)) as client:
            return await question(client)

    return asyncio.run(connected())


@pytest.mark.parametrize(
    "asked",
    [
        {"flow": uuid(13)},
        {"source": "curl", "destination": "shop/web:80"},
        {"source": "curl", "destination": "nobody"},
        {"flow": "ffffffff"},
    ],
)
def test_it_is_what_the_ring_says(address: str, asked: dict[str, str]) -> None:
    found = ask(address, lambda client: client.explain(**asked))
    assert found == explain(filtered(), **asked)
    assert found["text"].startswith("Verdict\n")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"flow": "shop/web"}, "'shop/web' is no UUID"),
        ({"flow": "01234567"}, "23 flows have a UUID that begins or ends with '01234567'"),
        ({"source": "curl", "destination": "web:0"}, "'web:0' has no port that exists"),
        ({"source": "curl"}, "'' names nobody"),
        ({}, "what is to be explained is not said"),
    ],
)
def test_what_is_asked_wrongly_is_said(address: str, asked: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        ask(address, lambda client: client.explain(**asked))
    assert refused.value.way_on


def test_a_hubble_server_says_nothing_and_a_server_that_is_gone_is_told() -> None:
    with hubble(lambda _method, _request, _context: None) as foreign:
        assert ask(foreign, lambda client: client.explain("01234567")) == {}
    with pytest.raises(RubinError, match="there is no socket"):
        ask("unix:///nonexistent/s", lambda client: client.explain("01234567"))

"""What answers are made from: the feed, its server, and a turn to look through the ring."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import ParamSpec, TypeVar

from rubin.api.client import Client
from rubin.api.wakes import Wakes
from rubin.errors import UsageError
from rubin.model.filter import Filters
from rubin.store.ring import Ring
from rubin.ui.feed import Feed
from rubin.ui.live import Hub
from rubin.ui.views.asked import filters_of
from rubin.words.terms import asked_by_query
from rubin.words.times import moment_ns

P = ParamSpec("P")
T = TypeVar("T")
Parameters = Mapping[str, str]

_MS_NS = 1_000_000
_SOME = 100  # an example of a number
_FIRST_MS = 100_000_000_000  # what is written as a number is ms since the epoch; no date that matters is below


class Desk:
    """One for the server; on its loop."""

    def __init__(self, feed: Feed, hub: Hub) -> None:
        self.feed, self.hub = feed, hub
        self.wakes = Wakes(feed.ring)
        self._looking = asyncio.Lock()

    @property
    def ring(self) -> Ring:
        """Of the feed."""
        return self.feed.ring

    async def look(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a question over the ring gives; one at a time looks through it, beside the loop."""
        async with self._looking:
            return await asyncio.to_thread(question, *args, **kwargs)

    async def ask(self, question: Callable[[Client], Awaitable[T]]) -> T:
        """What the server answers. Raises RubinError."""
        return await self.feed.ask(question)

    def now_ns(self) -> int:
        """The server's time."""
        return self.feed.now_ns()


def filters_in(query: str) -> Filters | None:
    """The filters of a request's query; what is not about flows is passed over. Raises UsageError."""
    return filters_of(query)


def rest_of(query: str) -> dict[str, str]:
    """What is not about flows, the last of each name. Raises UsageError."""
    return dict(asked_by_query(query).rest)


def span_of(rest: Parameters, now_ns: int, default_ns: int) -> tuple[int, int]:
    """From when until when, by `since` and `until`: as on a command line, or ms since the epoch. Raises UsageError."""
    since_ns = time_of("since", rest.get("since", ""), now_ns)
    until_ns = time_of("until", rest.get("until", ""), now_ns)
    until_ns = now_ns if until_ns is None else until_ns
    return (default_ns if since_ns is None else since_ns), until_ns


def time_of(name: str, text: str, now_ns: int) -> int | None:
    """A moment in ns since the epoch; None where the text is empty. Raises UsageError."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return moment_ns(name, text, now_ns)
    if not _FIRST_MS <= number <= 9e12:
        raise UsageError(f"{name} '{text[:40]}' is no time", "5m, 2026-01-02T15:04:05Z, or ms since the epoch")
    return int(number * _MS_NS)


def number_of(name: str, text: str, default: int, most: int) -> int:
    """A whole number from 0 on. Raises UsageError."""
    if not text:
        return default
    if not text.isdecimal() or not text.isascii():
        raise UsageError(f"{name} '{text[:40]}' is no number", f"{name}={default or _SOME}")
    return min(int(text[:12]), most)

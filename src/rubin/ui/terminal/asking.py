"""Questions of the views: to the server where it is ours, else to the flows that are held here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from rubin.api.client import Client
from rubin.query.drops import drops
from rubin.query.explain import explain
from rubin.query.question import Question as Asked
from rubin.query.resolved import resolved
from rubin.query.top import top
from rubin.ui.feed import Feed
from rubin.ui.terminal.following import Following
from rubin.ui.terminal.typed import Question
from rubin.wire.filters import put_filters
from rubin.wire.pb.observer_pb2 import GetFlowsRequest
from rubin.words.times import SECOND_NS

Answer = Mapping[str, Any]

MOST_ROWS = 200
_BACK_NS = 300 * SECOND_NS
"""How far back requests, drops and names are counted where no time is asked for."""


class Asking:
    """Answers of one feed's server, or of its flows where there is no server to be asked. All raise RubinError.

    `clock` gives seconds since the epoch.
    """

    def __init__(self, feed: Feed, following: Following | None, clock: Callable[[], float]) -> None:
        self._feed, self._following, self._clock = feed, following, clock

    @property
    def _now_ns(self) -> int:
        return round(self._clock() * SECOND_NS)

    async def requests(self, question: Question, by: str, sort: str) -> Answer:
        """As `query.top` says."""
        now_ns = self._now_ns
        since_ns, until_ns = self._times(question, now_ns)
        if self._following is not None and self._feed.state.is_ours:
            asked = GetFlowsRequest()
            put_filters(asked, list(question.allow), list(question.deny))
            for field, time_ns in ((asked.since, since_ns), (asked.until, until_ns)):
                if time_ns is not None:
                    field.FromNanoseconds(time_ns)

            async def answer(client: Client) -> Answer:
                return await client.top(asked, by, sort, MOST_ROWS)

            return await self._following.ask(answer)
        wanted = Asked(by, sort, MOST_ROWS, question.filters(), since_ns, until_ns)
        return await asyncio.to_thread(top, self._feed.ring, wanted, now_ns)

    async def drops(self, question: Question) -> Answer:
        """As `query.drops` says, of all that is held where no time is asked for."""
        since_ns, until_ns = self._held(question)
        found = await asyncio.to_thread(drops, self._feed.ring, question.filters(), since_ns, until_ns)
        return {"rows": found["groups"]}

    async def names(self, question: Question) -> Answer:
        """As `query.resolved` says, of all that is held where no time is asked for."""
        since_ns, until_ns = self._held(question)
        return await asyncio.to_thread(resolved, self._feed.ring, question.filters(), since_ns, until_ns)

    async def explain(self, flow: str) -> Answer:
        """As `query.explain` says: our own server knows more than what is held here."""
        if self._following is not None and self._feed.state.is_ours:

            async def answer(client: Client) -> Answer:
                return await client.explain(flow)

            if found := await self._following.ask(answer):
                return found
        return await asyncio.to_thread(explain, self._feed.ring, flow)

    def _held(self, question: Question) -> tuple[int, int]:
        """From when to when; without a time from the oldest flow that is held."""
        since_ns, until_ns = question.times_ns(self._now_ns)
        if since_ns is None:
            first = next((view for view in self._feed.ring.scan(as_stored=True) if len(view)), None)
            since_ns = 0 if first is None else int(first["time_ns"].min())
        return since_ns, self._now_ns if until_ns is None else until_ns

    def _times(self, question: Question, now_ns: int) -> tuple[int | None, int | None]:
        since_ns, until_ns = question.times_ns(now_ns)
        if since_ns is None and until_ns is None and self._following is not None:
            since_ns = now_ns - _BACK_NS
        return since_ns, until_ns

"""Questions of the views: to the server where it is ours, else to the flows that are held here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from rubin.api.client import Client
from rubin.errors import RubinError
from rubin.query.drops import drops
from rubin.query.explain import explain
from rubin.query.question import Question as Asked
from rubin.query.resolved import resolved
from rubin.query.top import top
from rubin.query.trace import trace
from rubin.ui.feed import Feed
from rubin.ui.terminal.typed import Question
from rubin.wire.filters import put_filters
from rubin.wire.pb.observer_pb2 import GetFlowsRequest, Node, ServerStatusResponse
from rubin.words.times import SECOND_NS

T = TypeVar("T")
Answer = Mapping[str, Any]

MOST_ROWS = 200
_BACK_NS = 300 * SECOND_NS
"""How far back requests, drops and names are counted where no time is asked for."""


class Server(Protocol):
    """Who asks a feed's server."""

    async def ask(self, question: Callable[[Client], Awaitable[T]]) -> T:
        """What the question makes of a client of its own. Raises RubinError."""


class Health(NamedTuple):
    """What a server says of itself: Hubble's numbers, the nodes where it is a relay, and our own agent's report, {}."""

    status: ServerStatusResponse
    nodes: Sequence[Node]
    own: Answer


class Asking:
    """Answers of one feed's server, or of its flows where there is no server to be asked. All raise RubinError.

    `clock` gives seconds since the epoch.
    """

    def __init__(self, feed: Feed, server: Server | None, clock: Callable[[], float]) -> None:
        self._feed, self._server, self._clock = feed, server, clock

    @property
    def _now_ns(self) -> int:
        return round(self._clock() * SECOND_NS)

    async def requests(self, question: Question, by: str, sort: str) -> Answer:
        """As `query.top` says."""
        now_ns = self._now_ns
        since_ns, until_ns = self._times(question, now_ns)
        if self._server is not None and self._feed.state.is_ours:
            asked = GetFlowsRequest()
            put_filters(asked, list(question.allow), list(question.deny))
            for field, time_ns in ((asked.since, since_ns), (asked.until, until_ns)):
                if time_ns is not None:
                    field.FromNanoseconds(time_ns)

            async def answer(client: Client) -> Answer:
                return await client.top(asked, by, sort, MOST_ROWS)

            return await self._server.ask(answer)
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
        if self._server is not None and self._feed.state.is_ours:

            async def answer(client: Client) -> Answer:
                return await client.explain(flow)

            if found := await self._server.ask(answer):
                return found
        return await asyncio.to_thread(explain, self._feed.ring, flow)

    async def exchanges(self, flow: str) -> Answer:
        """As `query.trace` says of one flow."""
        if self._server is not None and self._feed.state.is_ours:

            async def answer(client: Client) -> Answer:
                return await client.trace(flow)

            return await self._server.ask(answer)
        return await asyncio.to_thread(trace, self._feed.ring, flow)

    async def health(self) -> Health | None:
        """None where there is no server to be asked."""
        return None if self._server is None else await self._server.ask(_health)

    def _held(self, question: Question) -> tuple[int, int]:
        """From when to when; without a time from the oldest flow that is held."""
        since_ns, until_ns = question.times_ns(self._now_ns)
        if since_ns is None:
            first = next((view for view in self._feed.ring.scan(as_stored=True) if len(view)), None)
            since_ns = 0 if first is None else int(first["time_ns"].min())
        return since_ns, self._now_ns if until_ns is None else until_ns

    def _times(self, question: Question, now_ns: int) -> tuple[int | None, int | None]:
        since_ns, until_ns = question.times_ns(now_ns)
        if since_ns is None and until_ns is None and self._server is not None:
            since_ns = now_ns - _BACK_NS
        return since_ns, until_ns


async def _health(client: Client) -> Health:
    status, own = await client.status(), await client.agent_status()
    try:
        nodes = [] if own else await client.nodes()
    except RubinError:  # it is no relay
        nodes = []
    return Health(status, nodes, own)

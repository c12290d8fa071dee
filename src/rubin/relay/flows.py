"""One question for flows, asked of every node: their answers as one, in the order of time."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator

from rubin.api.told import Told, Wishes
from rubin.errors import RubinError, UsageError
from rubin.model.batch import FlowBatch, Lost, concat, empty
from rubin.relay.asked import Asked
from rubin.relay.merge import Bounds, Late, Merge, in_order
from rubin.relay.pool import Peer, Pool, State
from rubin.wire.pb import relay_pb2
from rubin.wire.pb.observer_pb2 import GetFlowsRequest, GetFlowsResponse

ALL = 1 << 63
"""A number from which on all is meant: `--all` of Hubble's and our command line asks for 2^64 - 1."""
_TICK_S = 0.05
_NODE_ROWS, _LEAST_ROWS = 16_384, 512
_EVERY_S, _EVERY_PEER_S = 0.1, 0.0025
_SAID_AGAIN_S = 10.0
_ASKED_AGAIN_S = 2.0


class Flows:
    """`answers()` is what the client gets. Raises UsageError for a question that the relay cannot answer.

    `number` counts for all nodes together. With `last` as many flows wait here as are asked for, no more than
    `bounds.most_rows`; what is asked for beyond that must be all that there is.
    """

    def __init__(
        self,
        pool: Pool,
        request: GetFlowsRequest,
        bounds: Bounds,
        node_name: str,
        nodes_only: bool,
        late: dict[str, int],
    ) -> None:
        """`late` counts the flows of each node that come late."""
        self._pool, self._request, self._bounds, self._node_name = pool, request, bounds, node_name
        self._nodes_only, self._late = nodes_only, late
        self._merge = Merge(bounds)
        self._asked_ns = time.time_ns()
        self._work = asyncio.Event()
        self._asked: dict[Peer, Asked] = {}
        self._tasks: dict[Peer, asyncio.Task[None]] = {}
        self._news: list[GetFlowsResponse] = []
        self._said: dict[str, tuple[str, float]] = {}
        self._ended_s: dict[Peer, float] = {}
        self._silent: set[Peer] = set()
        """Who was asked while the flows are followed, and has not answered yet."""

    async def answers(self) -> AsyncGenerator[Told, None]:
        """Flows, losses and news of nodes, as they may go out."""
        request = self._request
        peers = self._peers()
        ready = [peer for peer in peers if peer.state is State.READY]
        tail, left = await self._limits(ready)
        away = [peer.name for peer in peers if peer.state is not State.READY]
        self._tell(relay_pb2.NODE_CONNECTED, [peer.name for peer in ready])
        self._tell(relay_pb2.NODE_UNAVAILABLE, away)
        for peer in ready:
            self._ask(peer)
        try:
            while True:
                is_over = not request.follow and not self._tasks
                for told in self._out(tail):
                    if told.flows is not None and left is not None:
                        told = told._replace(flows=told.flows.take(slice(0, left)))
                        left -= len(told.flows or ())
                    yield told
                    del told
                    if left == 0:
                        return
                if tail is not None and (is_over or (request.follow and self._merge.is_live)):
                    yield Told(tail.newest())
                    tail = None
                if is_over:
                    return
                await self._next()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _limits(self, ready: list[Peer]) -> tuple["_Tail | None", int | None]:
        """What holds the last ones, and how many flows are left to send; None: no limit."""
        number = self._request.number
        if not number or number >= ALL:
            return None, None
        if self._request.first:
            return None, number
        if number <= self._bounds.most_rows:
            return _Tail(number), None
        if number >= sum(await asyncio.gather(*map(_held, ready))):
            return None, None
        raise UsageError(
            f"this relay can put the last {self._bounds.most_rows:,} flows in order, {number:,} are too many",
            "--since, --all, or a smaller number",
        )

    def _peers(self) -> list[Peer]:
        """Whom to ask. A relay that is asked by a relay answers for its nodes only, so that nobody asks in circles."""
        peers = sorted(self._pool.peers.values(), key=lambda peer: peer.name)
        return [peer for peer in peers if not (self._nodes_only and peer.is_relay())]

    def _ask(self, peer: Peer, is_new: bool = False) -> None:
        if peer.client is None:
            return
        asked = self._asked.get(peer)
        if asked is None:
            what = (self._request, self._merge, self._work.set, self._asked_ns, is_new)
            self._asked[peer] = asked = Asked(peer, *what)
        asked.join(peer.client)
        count = max(1, len(self._pool.peers))
        rows = max(_LEAST_ROWS, min(_NODE_ROWS, self._bounds.most_rows // (4 * count)))
        wishes = Wishes(max(_EVERY_S, _EVERY_PEER_S * count), rows)
        self._tasks[peer] = asyncio.create_task(asked.run(wishes))

    async def _next(self) -> None:
        """Until there is something to do: little at a time costs as much as much."""
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(_TICK_S):
                await self._work.wait()
        except TimeoutError:
            pass
        await asyncio.sleep(max(0.0, began_s + _TICK_S / 5 - time.monotonic()))
        self._work.clear()
        self._look_at_peers()
        for peer, asked in self._asked.items():
            if peer in self._tasks:
                asked.assume()
            if peer in self._silent and asked.has_answered:
                self._silent.remove(peer)
                self._tell(relay_pb2.NODE_CONNECTED, [peer.name])
            self._news += asked.news
            asked.news.clear()

    def _look_at_peers(self) -> None:
        """Who failed, who went; when the flows are followed, who came."""
        for peer, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[peer]
                self._ended_s[peer] = time.monotonic()
                error = task.exception()
                if isinstance(error, RubinError):
                    self._tell(relay_pb2.NODE_ERROR, [peer.name], str(error.sentence))
                elif error is not None:
                    raise error
        if not self._request.follow:
            return
        there = set(self._pool.peers.values())
        for peer in [peer for peer in self._asked if peer not in there]:
            del self._asked[peer]
            self._silent.discard(peer)
            if peer in self._tasks:
                self._tasks.pop(peer).cancel()
            self._tell(relay_pb2.NODE_GONE, [peer.name])
        long_ago_s = time.monotonic() - _ASKED_AGAIN_S
        for peer in self._peers():
            is_due = peer not in self._tasks and self._ended_s.get(peer, long_ago_s) <= long_ago_s
            if is_due and peer.state is State.READY:
                self._ask(peer, is_new=True)
                self._silent.add(peer)

    def _out(self, tail: "_Tail | None") -> Iterator[Told]:
        """What may go out now."""
        for status in self._news:
            yield Told(status=status)
        self._news.clear()
        flows, late = self._merge.take(time.monotonic())
        for asked in self._asked.values():
            asked.room()
        if tail is not None:
            for batch in (*flows, *(one.flows for one in late)):
                tail.add(batch)
            return
        for one in late:
            yield from self._told_late(one)
        for batch in flows:
            for start in range(0, max(1, len(batch)), _NODE_ROWS):
                part = batch.take(slice(start, start + _NODE_ROWS))
                yield Told(part if not start else part.without_lost())

    def _told_late(self, one: Late) -> Iterator[Told]:
        self._late[one.node] = self._late.get(one.node, 0) + len(one.flows)
        count = f"{len(one.flows):,} flow{'s' if len(one.flows) > 1 else ''}"
        self._tell(relay_pb2.UNKNOWN_NODE_STATE, [one.node], f"{count} late, {one.by_ns / 1e9:.3g} s out of order")
        for status in self._news:
            yield Told(status=status)
        self._news.clear()
        yield Told(one.flows, is_late=True)

    def _tell(self, state: relay_pb2.NodeState, nodes: Iterable[str], message: str = "") -> None:
        """News of nodes, unless the same was said a moment ago."""
        now_s, names = time.monotonic(), list(nodes)
        if not names:
            return
        if state == relay_pb2.NODE_ERROR:
            what, since_s = self._said.get(names[0], ("", 0.0))
            if what == message and now_s < since_s + _SAID_AGAIN_S:
                return
            self._said[names[0]] = message, now_s
        status = relay_pb2.NodeStatusEvent(state_change=state, node_names=names, message=message)
        told = GetFlowsResponse(node_status=status, node_name=self._node_name)
        told.time.FromNanoseconds(time.time_ns())
        self._news.append(told)


class _Tail:
    """The newest of all flows that are added; losses stay."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._held: deque[FlowBatch] = deque()
        self._rows = 0
        self._lost: tuple[Lost, ...] = ()

    def add(self, batch: FlowBatch) -> None:
        self._lost += batch.lost
        self._held.append(batch.without_lost())
        self._rows += len(batch)
        if self._rows > 2 * self._number:
            self._held = deque([self._newest()])
            self._rows = len(self._held[0])

    def newest(self) -> FlowBatch:
        """In order, with all losses."""
        return self._newest().with_lost(self._lost)

    def _newest(self) -> FlowBatch:
        flows = in_order(concat(self._held)) if self._held else empty()
        return flows.take(slice(max(0, len(flows) - self._number), None))


async def _held(peer: Peer) -> int:
    """How many flows a node holds; one that does not say so may hold any number."""
    try:
        return (await peer.client.status()).num_flows * 2 if peer.client else 0  # an exchange is two flows
    except RubinError:
        return ALL

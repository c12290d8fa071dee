"""What a user interface knows: the flows of one Observer, followed for ever into a ring of its own."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from rubin.api.client import Client
from rubin.api.target import ClientSettings, target_of
from rubin.errors import RubinError
from rubin.model.batch import FlowBatch, adopt
from rubin.model.identical import keys
from rubin.model.tables import Tables
from rubin.store.ring import Ring
from rubin.wire.pb.observer_pb2 import GetFlowsRequest

T = TypeVar("T")
Mask = npt.NDArray[np.bool_]
Phase = Literal["connecting", "following", "behind", "waiting"]

_FIRST_WAIT_S, _LAST_WAIT_S = 0.5, 10.0
_OVERLAP_NS = 10_000_000_000  # asked for again after a break: flows do not come in the order of their times
_MOST_GAPS = 100
_WATCH_S, _LOOK_S = 5.0, 0.5
_CATCHING_UP_S = 3.0  # what comes until then may have been held for long
_APART_NS = 5_000_000_000  # flows are under way for less
_NOW_NS, _SILENCE_S = 1_000_000_000, 0.5
_LATE_S, _LATE_NS = 3.0, 10_000_000_000  # all that came for so long was so much later than before: a clock was set
_BEHIND_NS, _BEHIND_S = 2_000_000_000, 1.0  # so much later, and in such a time hardly less: we are behind
_MANY = 1_000  # a second: fewer are never too many
_ANEW_S, _ALLAYED_S = 0.5, 3.0  # so much of the newest is taken first; so long nothing was too much
_SAME_S = 1.0  # a server that began so much later than the one before is another
_FEW = 100
_RATE_S = 5.0
_MOST_COUNTS = 2_000


@dataclass(slots=True)
class FeedState:
    """How it goes. `since_s`: when the phase began, seconds since the epoch. `sentence` and `way_on`: what is wrong, ""
    where nothing is. `server_version` "" and `is_ours` False: not known yet, or a Hubble server. `is_file`: there is no
    server, and what there is was read; `sentence` says what.
    """

    phase: Phase = "connecting"
    target: str = ""
    sentence: str = ""
    way_on: str = ""
    since_s: float = 0.0
    server_version: str = ""
    is_ours: bool = False
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of which flows may be missing, because nobody was there to read them."""

    from_ns: int
    until_ns: int
    why: str


class Feed:
    """`run()` follows the server for ever; `ring` holds what came, an exchange as its two flows.

    The loop's thread alone appends; any thread reads the ring. `flows` and `lost` count what has come since the start,
    `gaps` are the breaks that the server could not make good.
    """

    def __init__(self, settings: ClientSettings, capacity: int = 1_000_000, backlog: int = 100_000) -> None:
        self.settings = settings
        self.ring = Ring(capacity)
        self.state = FeedState(target=target_of(settings).text, since_s=time.time())
        self.flows = self.lost = 0
        self.gaps: deque[Gap] = deque(maxlen=_MOST_GAPS)
        self._backlog = min(backlog, capacity)
        self._tables = Tables()
        self._newest_ns = 0
        self._held: _Held | None = None
        self._server_began_s, self._is_another = time.monotonic(), False
        self._began = time.monotonic()
        self._counts: deque[tuple[float, int]] = deque(maxlen=_MOST_COUNTS)
        self._lead_ns: int | None = None  # by how much the newest flows are ahead of our clock
        self._live_s = 0.0  # from when on that says how far the clocks are apart
        self._apart_ns = 0
        self._late_since_s = math.inf
        self._late_ns = 0
        self._behind: tuple[float, int] | None = None  # since when, and by how much then
        self._trouble = ""

    async def run(self) -> None:
        """Until it is cancelled."""
        wait_s = _FIRST_WAIT_S
        while True:
            before = self.flows
            try:
                await self._follow()
                trouble = RubinError(f"{self.state.target} has ended the stream", "")
            except RubinError as error:
                trouble = error
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError  # hanging up has failed, and its error has taken the place of this one
            wait_s = _FIRST_WAIT_S if self.flows > before else min(2 * wait_s, _LAST_WAIT_S)
            self._trouble = trouble.sentence
            self._enter("waiting", trouble.sentence, trouble.way_on)
            await asyncio.sleep(wait_s)
            self._enter("connecting", trouble.sentence, trouble.way_on)

    async def ask(self, question: Callable[[Client], Awaitable[T]]) -> T:
        """What the question makes of a client of its own. Raises RubinError."""
        async with Client(self.settings) as client:
            return await question(client)

    def now_ns(self) -> int:
        """The server's time, by its flows: ours, unless the two clocks are apart."""
        return time.time_ns() + (self._apart_ns if abs(self._apart_ns) > _APART_NS else 0)

    def oldest_ns(self) -> int:
        """The time of the oldest flow held; now where there is none."""
        view = next((view for view in self.ring.scan(as_stored=True) if len(view)), None)
        return self.now_ns() if view is None else int(view["time_ns"][:_FEW].min())

    @property
    def newest_ns(self) -> int:
        """The latest time of a flow that has come; 0: none has."""
        return self._newest_ns

    @property
    def is_catching_up(self) -> bool:
        """Whether what comes now was there before us: nothing has come yet of this very time, nor has it ended."""
        if self.state.phase == "waiting" or self._newest_ns > self.now_ns() - _NOW_NS:
            return False
        last_s = self._counts[-1][0] if self._counts else self._began
        return time.monotonic() - last_s < _SILENCE_S

    def per_second(self) -> float:
        """How many flows come, over the last seconds."""
        now = time.monotonic()
        recent = [(at, count) for at, count in self._counts if at > now - _RATE_S]
        return round(sum(count for _, count in recent) / min(_RATE_S, max(1.0, now - self._began)), 1)

    def gaps_after(self, told: Gap | None) -> list[Gap]:
        """Those that came later; all where nothing was told, or what was is long gone."""
        new: list[Gap] = []
        for gap in reversed(self.gaps):
            if gap is told:
                break
            new.insert(0, gap)
        return new

    async def _follow(self) -> None:
        """Until the server ends it. Raises RubinError."""
        async with Client(self.settings) as client:
            asked_s = time.monotonic()
            status = await client.status()
            self.state.server_version = status.version
            began_s = asked_s - status.uptime_ns / 1e9  # or later, by what the answer took
            self._is_another = status.uptime_ns > 0 and began_s > self._server_began_s + _SAME_S
            self._server_began_s = time.monotonic() - status.uptime_ns / 1e9  # or sooner, by the same
            self.state.is_ours = bool(await client.agent_status())
            request = self._request(self._backlog)
            self._enter("following")
            self._lead_ns, self._apart_ns, self._live_s = None, 0, time.monotonic() + _CATCHING_UP_S
            self._late_since_s = math.inf
            await _first_to_end(self._read(client, request), _watch(client), self._look_up())

    def _request(self, number: int) -> GetFlowsRequest:
        """The newest, those that are held already among them, and what comes."""
        request = GetFlowsRequest(number=number, follow=True)
        if self._newest_ns:
            since_ns = min(self._newest_ns, self.now_ns()) - _OVERLAP_NS  # the clock may have been set back
            self._held = _Held(self.ring, since_ns, self._newest_ns)
            request.since.FromNanoseconds(max(0, since_ns))
        self._behind = None
        return request

    async def _read(self, client: Client, request: GetFlowsRequest) -> None:
        while await self._too_many(client, request):
            self._trouble = "flows come faster than they can be taken here"
            self._enter("behind", self._trouble, "the newest are shown, and when some were left out")
            self._lead_ns = None
            request = self._request(min(self._backlog, int(self.per_second() * _ANEW_S)))

    async def _too_many(self, client: Client, request: GetFlowsRequest) -> bool:
        """Whether that is why no more of it is read; False: the server has ended it."""
        async with aclosing(client.flows(request, tables=self._own_tables)) as batches:
            async for batch in batches:
                self._take(batch)
                if self._falls_behind():
                    return True
        return False

    def _take(self, batch: FlowBatch) -> None:
        batch = self._new(batch) if self._held else batch
        # Messages of Hubble's come with tables of their own, and each change of tables is a segment of the ring.
        batch = adopt(batch, self._own_tables())
        if len(batch):
            latest_ns = int(batch["time_ns"].max())
            self._newest_ns = max(self._newest_ns, latest_ns)
            self._counts.append((time.monotonic(), len(batch)))
        self.ring.append(batch)
        self.flows += len(batch)  # who sees the count finds the flows
        self.lost += sum(lost.events for lost in batch.lost)
        if len(batch):
            self._measure(latest_ns)

    def _own_tables(self) -> Tables:
        """What flows are to point into."""
        if self._tables.full:
            self._tables = Tables()
        return self._tables

    def _falls_behind(self) -> bool:
        """Whether so much comes that we are late, and do not become less so."""
        if self._behind is None:
            return False
        since_s, late_ns = self._behind
        if time.monotonic() < since_s + _BEHIND_S:
            return False
        self._behind = time.monotonic(), self._late_ns
        return self._late_ns > late_ns - _BEHIND_NS // 4 and self.per_second() >= _MANY

    async def _look_up(self) -> None:
        """Ends being behind also where nothing comes any more."""
        while True:
            await asyncio.sleep(_LOOK_S)
            self._allay()

    def _allay(self) -> None:
        is_late = self._behind is not None and self.per_second() > 0
        if self.state.phase == "behind" and not is_late and time.time() > self.state.since_s + _ALLAYED_S:
            self._enter("following")

    def _measure(self, latest_ns: int) -> None:
        """How late a batch is, against the others. Raises RubinError where all of them are late, for too long."""
        now_s, lead_ns = time.monotonic(), latest_ns - time.time_ns()
        self._lead_ns = lead_ns if self._lead_ns is None else max(lead_ns, self._lead_ns)
        self._late_ns = self._lead_ns - lead_ns
        if now_s < self._live_s:
            return
        self._apart_ns = self._lead_ns
        self._behind = (self._behind or (now_s, self._late_ns)) if self._late_ns > _BEHIND_NS else None
        is_late = self._late_ns > _LATE_NS
        self._late_since_s = min(self._late_since_s, now_s) if is_late else math.inf
        if now_s > self._late_since_s + _LATE_S:
            self._newest_ns = latest_ns  # or their clock was set back: either way what is newest now is asked for
            raise RubinError("flows came faster than they could be taken", "the newest are asked for")

    def _new(self, batch: FlowBatch) -> FlowBatch:
        """Without the flows that are held from before a break, and the break noted where it was not bridged."""
        held = self._held
        if held is None or not len(batch):
            return batch
        known = held.mask(batch)
        times = batch["time_ns"]
        first_ns = int(times.min())
        if not held.is_bridged:
            if not known.any() and (first_ns > held.newest_ns or self._is_another):
                why = f"{self.state.target} has begun anew" if self._is_another else self._trouble
                self.gaps.append(Gap(held.newest_ns, max(first_ns, held.newest_ns), why))
            held.is_bridged = True
        if first_ns > held.newest_ns + _OVERLAP_NS:
            self._held = None
        return batch.take(~known) if known.any() else batch

    def _enter(self, phase: Phase, sentence: str = "", way_on: str = "") -> None:
        state = self.state
        state.phase, state.sentence, state.way_on, state.since_s = phase, sentence, way_on, time.time()


async def _first_to_end(*works: Coroutine[Any, Any, None]) -> None:
    """Until one of them ends, as it does; the others are cancelled."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _watch(client: Client) -> None:
    """Raises RubinError where the server answers no more: a machine that is cut off ends no stream."""
    while True:
        await asyncio.sleep(_WATCH_S)
        await client.status()


class _Held:
    """The flows of the last seconds before a break."""

    def __init__(self, ring: Ring, since_ns: int, newest_ns: int) -> None:
        found = [keys(view)[view["time_ns"] >= since_ns] for view in ring.scan(since_ns=since_ns)]
        self._keys = np.sort(np.concatenate([np.empty(0, np.uint64), *found]))
        self.since_ns, self.newest_ns = since_ns, newest_ns
        self.is_bridged = False

    def mask(self, batch: FlowBatch) -> Mask:
        """(n,) bool: those of the batch that are among them, and older ones, which nobody asked for."""
        own = keys(batch)
        is_held = np.searchsorted(self._keys, own) < np.searchsorted(self._keys, own, "right")
        found: Mask = is_held | (batch["time_ns"] < self.since_ns)
        return found

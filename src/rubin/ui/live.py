"""The live part: each view is computed once, however many tabs look at it; each tab gets as much as it can take."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Self

from rubin.ui.feed import Feed, Gap
from rubin.ui.frames import Body, Dictionary, Type
from rubin.ui.views.asked import Asked
from rubin.ui.views.flows import Flows
from rubin.ui.views.map import Map
from rubin.ui.views.series import Over
from rubin.ui.views.stats import Stats
from rubin.ui.views.view import Lens, View

_LOG = logging.getLogger(__name__)
_LINGER_S = 5.0  # a view that nobody looks at any more: who reloads a page finds it again
_GAPS_S = 1.0
_CATCHING_UP_S = 3.0

Take = Callable[[Body], None]
_VIEWS: dict[str, Callable[[Lens], View]] = {"map": Map, "flows": Flows, "series": Over, "stats": Stats}


class Shared:
    """A view that some tabs look at. `view` is prepared once `is_ready`."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.is_ready = False
        self.ticks = 0
        self._takers: dict[int, Take] = {}
        self._left = asyncio.Event()

    def join(self, key: int, take: Take) -> None:
        """`take` gets all there is, now or as soon as it is ready, and then each frame."""
        self._takers[key] = take
        self._left.clear()
        if self.is_ready:
            take(self.view.snapshot())

    def leave(self, key: int) -> None:
        """Nothing more for this one."""
        self._takers.pop(key, None)
        if not self._takers:
            self._left.set()

    async def run(self, looking: asyncio.Lock) -> None:
        """Until nobody has looked at it for a while."""
        async with looking:  # one at a time looks through the whole ring: memory stays bounded
            await asyncio.to_thread(self.view.prepare)
        self.is_ready = True
        self.give(self.view.snapshot())
        while not await self._is_left():
            await asyncio.sleep(self.view.every_s)
            if self._takers and (body := self.view.tick()) is not None:
                self.ticks += 1
                self.give(body)

    async def _is_left(self) -> bool:
        if self._takers:
            return False
        await asyncio.sleep(_LINGER_S)
        return not self._takers

    def give(self, body: Body) -> None:
        """To all who look at it."""
        for take in list(self._takers.values()):
            take(body)


class Hub:
    """The views of all tabs over one feed; `async with` it."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.dictionary = Dictionary()
        self.views: dict[Asked, Shared] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking = asyncio.Lock()
        self._listeners: dict[int, Take] = {}

    async def __aenter__(self) -> Self:
        self._start(self._gaps())
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def view(self, asked: Asked) -> Shared:
        """The view that answers; begun if it is the first who asks. Raises UsageError."""
        shared = self.views.get(asked)
        if shared is None:
            lens = Lens(self.feed, asked, self.dictionary)
            shared = self.views[asked] = Shared(_VIEWS[asked.view](lens))
            self._start(self._run(asked, shared))
        return shared

    def listen(self, key: int, take: Take) -> Callable[[], None]:
        """What is for every tab goes to `take`, too, the gaps of what is held at once; returns how to end that."""
        self._listeners[key] = take
        oldest_ns = self.feed.oldest_ns()
        for gap in self.feed.gaps:
            if gap.until_ns >= oldest_ns:
                take(self._of(gap))

        def end() -> None:
            self._listeners.pop(key, None)

        return end

    def bye(self) -> None:
        """Tell every tab that the server ends."""
        self.tell(Body(Type.BYE, self.feed.now_ns() / 1e6, head={"why": "the server has ended"}))

    def tell(self, body: Body) -> None:
        """Every tab."""
        for take in list(self._listeners.values()):
            take(body)

    async def _run(self, asked: Asked, shared: Shared) -> None:
        try:
            await self._caught_up()
            await shared.run(self._looking)
        except Exception:
            _LOG.exception("view=%s failed; it begins anew when it is asked for again", asked.view)
            body = Body(Type.ERROR, self.feed.now_ns() / 1e6)
            body.head = {"error": f"the view {asked.view} failed", "way_on": "reload the page; the log says why"}
            shared.give(body)
        finally:
            self.views.pop(asked, None)

    async def _caught_up(self) -> None:
        """What was there before the UI is no news: nobody is shown how it comes in."""
        end_s = time.monotonic() + _CATCHING_UP_S
        while self.feed.is_catching_up and time.monotonic() < end_s:
            await asyncio.sleep(0.05)

    async def _gaps(self) -> None:
        """Tell of each break that the feed could not make good."""
        told = self.feed.gaps[-1] if self.feed.gaps else None
        while True:
            await asyncio.sleep(_GAPS_S)
            for gap in self.feed.gaps_after(told):
                self.tell(self._of(gap))
                told = gap

    def _of(self, gap: Gap) -> Body:
        head = {"from_ms": gap.from_ns / 1e6, "until_ms": gap.until_ns / 1e6, "why": gap.why}
        return Body(Type.GAP, self.feed.now_ns() / 1e6, head=head)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

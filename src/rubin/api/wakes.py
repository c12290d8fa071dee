"""From the line's thread to the loop: the one crossing."""

import asyncio
from typing import Self

from rubin.store.ring import Ring

# A flow after a quiet moment wakes its followers at once; where they come thick, each read gets what came in this
# time: a frame carries the table rows that it uses, some milliseconds' work however few the flows are.
_SPACING_S = 0.05


class Wakes:
    """Wakes everyone on the loop who waits for new flows; at most one wake is on its way at a time.

    The ring calls back only while there are `followers`, so that without them the line pays nothing.
    """

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._appended = asyncio.Event()
        self._on_its_way = False
        self._last = 0.0
        self.followers = 0

    def __enter__(self) -> Self:
        """Follow: wakes come until the matching exit."""
        if not self.followers:
            self._unsubscribe = self._ring.subscribe(self._from_line)
        self.followers += 1
        return self

    def __exit__(self, *error: object) -> None:
        self.followers -= 1
        if not self.followers:
            self._unsubscribe()

    def appended(self) -> asyncio.Event:
        """What will be set after the next append. Take it before reading, or an append may be missed."""
        return self._appended

    def _from_line(self) -> None:
        """On the line's thread."""
        if self._on_its_way:
            return
        self._on_its_way = True
        try:
            self._loop.call_soon_threadsafe(self._schedule)
        except RuntimeError:  # the loop is closed, nobody is left to wake
            self._on_its_way = False

    def _schedule(self) -> None:
        self._loop.call_at(max(self._loop.time(), self._last + _SPACING_S), self._wake)

    def _wake(self) -> None:
        self._on_its_way = False  # before the readers look, so that what they miss wakes them again
        self._last = self._loop.time()
        appended, self._appended = self._appended, asyncio.Event()
        appended.set()


async def within(event: asyncio.Event, seconds: float | None) -> None:
    """Wait for the event, no longer than `seconds` (None: for ever)."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return

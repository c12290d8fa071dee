"""The ring's flows as a request wants them: from where, until when, and what was missed on the way."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import nullcontext
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rubin.api.promises import Promises
from rubin.api.selection import Selection
from rubin.api.wakes import Wakes, within
from rubin.model.batch import FlowBatch, Lost, empty
from rubin.model.enums import LostSource
from rubin.model.exchanges import added
from rubin.store.cursor import SPAN_ROWS, Cursor
from rubin.store.ring import Ring

_LOST_INTERVAL_S = 1.0
_FIRST_SPAN_ROWS = 2_048
_MOST_OF_A_ROW = 2  # flows that are made of a row: of an exchange


class Reading:
    """One request's way through the ring.

    Async iteration gives batches of at most `rows` flows, in the ring's order, and gives way to the
    loop after each. Losses come unfiltered, before the flows that followed them. Where the writer
    was faster, a `HUBBLE_RING_BUFFER` loss says by how many rows, at most once a second. With `promises` a batch comes
    at least as often as they want it, an empty one if need be.
    """

    def __init__(
        self,
        ring: Ring,
        wakes: Wakes,
        selection: Selection,
        node_name: str,
        rows: int = 4_096,
        promises: Promises | None = None,
    ) -> None:
        self._ring, self._wakes, self._selection, self._rows = ring, wakes, selection, rows
        self.promises = promises or Promises(ring, None)
        self._left = selection.number if selection.number and not selection.follow else None
        self._skip = 0
        self._missed = _Missed(ring, node_name)

    async def __aiter__(self) -> AsyncGenerator[FlowBatch, None]:
        following = self._selection.follow
        end = None if following else self._ring.next_row
        start = await beginning(self._ring, self._selection)
        cursor, self._skip = Cursor(self._ring, start.row), start.skip
        promises = self.promises
        promises.begin(cursor, end)
        with self._wakes if following else nullcontext():
            while True:
                appended, over = self._wakes.appended(), self._over()
                while (parts := self._next(cursor, end)) is not None:
                    while parts:
                        promises.after(len(parts) - 1)
                        yield parts.popleft()  # held nowhere here, so that a slow reader keeps no segment alive
                        await asyncio.sleep(0)
                    if promises.is_due():
                        yield empty()
                if over or not following:
                    break
                if promises.is_due():
                    yield empty()
                await within(appended, self._patience())
        for last in self._rest(cursor, end):
            yield last

    def _next(self, cursor: Cursor, end: int | None) -> deque[FlowBatch] | None:
        """The next rows, chosen and cut, and what was missed; None when there is nothing now."""
        if self._left == 0:
            return None
        views = cursor.read(end, self._rows if self._selection.filters is None else SPAN_ROWS)
        self.promises.read(views)
        if overtaken := cursor.take_overtaken():
            self._missed.add(overtaken)
            self._skip = 0  # the row went with them
        parts = deque(part for view in views for part in self._parts(view))
        if lost := self._missed.due():
            parts.append(empty(lost=lost))
        return parts if views or parts else None

    def _rest(self, cursor: Cursor, end: int | None) -> Iterator[FlowBatch]:
        """Losses that no row follows, and what was missed and not told yet."""
        if cursor.row == end == self._ring.next_row and self._left != 0:
            yield from cursor.losses_at_end()
        if lost := self._missed.take():
            yield empty(lost=lost)

    def _over(self) -> bool:
        until = self._selection.until_ns
        return until is not None and time.time_ns() > until

    def _patience(self) -> float | None:
        """Seconds until something is to be done even if no flow comes."""
        until = self._selection.until_ns
        waits = [max(0.0, (until - time.time_ns()) / 1e9 + 0.001)] if until is not None else []
        return min([*waits, *self._missed.patience(), *self.promises.patience()], default=None)

    def _parts(self, view: FlowBatch) -> Iterator[FlowBatch]:
        """The view's rows that are asked for, a few thousand at a time, cut where a loss was noted."""
        losses, view = view.lost, view.without_lost()
        if self._skip and len(view):
            view, self._skip = view.take(slice(self._skip, None)), 0
        rows = self._selection.rows(view) if len(view) else np.empty(0, np.intp)
        count = len(view) if rows is None else len(rows)
        if self._left is not None:
            count = min(count, self._left)
            self._left -= count
        chosen = view.take(slice(0, count) if rows is None else rows[:count])
        places = _places(chosen, losses)
        cuts = sorted({*range(0, count, self._rows), *places, count})
        for start, stop in pairwise(cuts):
            lost = tuple(one for one, place in zip(losses, places, strict=True) if place == start)
            yield chosen.take(slice(start, stop)).with_lost(lost)
        last = tuple(one for one, place in zip(losses, places, strict=True) if place == count)
        if last and self._left != 0:  # the last flow of a number ends the answer
            yield empty(view.tables, last)


def _places(flows: FlowBatch, losses: tuple[Lost, ...]) -> list[int]:
    """How many of the flows came before each loss, by its time."""
    if not losses:
        return []
    times = np.maximum.accumulate(flows["time_ns"])
    return [int(place) for place in np.searchsorted(times, [lost.time_ns for lost in losses], "right")]


class _Missed:
    """Rows that the reader did not get, gathered so that they are told at most once a second."""

    def __init__(self, ring: Ring, node_name: str) -> None:
        self._ring, self._node_name = ring, node_name
        self._rows = self._first_ns = self._last_ns = 0
        self._told = -_LOST_INTERVAL_S

    def add(self, rows: int) -> None:
        if rows:
            self._last_ns = time.time_ns()
            self._first_ns = self._first_ns or self._last_ns
            self._rows += rows

    def patience(self) -> list[float]:
        return [max(0.0, self._told + _LOST_INTERVAL_S - time.monotonic())] if self._rows else []

    def due(self) -> tuple[Lost, ...]:
        return self.take() if self._rows and time.monotonic() >= self._told + _LOST_INTERVAL_S else ()

    def take(self) -> tuple[Lost, ...]:
        if not self._rows:
            return ()
        lost = Lost(
            LostSource.HUBBLE_RING_BUFFER,
            self._rows,
            time.time_ns(),
            self._first_ns,
            self._last_ns,
            node_name=self._node_name,
            place="ring reader",
        )
        self._ring.note_missed(lost)
        self._rows = self._first_ns = 0
        self._told = time.monotonic()
        return (lost,)


class Beginning(NamedTuple):
    """Where to begin reading: a row of the ring, and how many of those that are made of it are passed over."""

    row: int
    skip: int = 0


async def beginning(ring: Ring, selection: Selection) -> Beginning:
    """At the oldest row held, the next to come, or the Nth newest match."""
    if selection.number and not selection.first:
        return await _at_last(ring, selection)
    if selection.follow and selection.since_ns is None:
        return Beginning(ring.next_row)
    return Beginning(ring.first_row)


async def _at_last(ring: Ring, selection: Selection) -> Beginning:
    end, left, span = ring.next_row, selection.number, _FIRST_SPAN_ROWS
    if left >= _MOST_OF_A_ROW * ring.held_flows:
        return Beginning(ring.first_row)
    while end > ring.first_row:
        start = max(ring.first_row, end - span)
        for stored in reversed(list(ring.scan(start, end, as_stored=True))):
            view = ring.again(stored)
            rows = selection.rows(view)
            found = len(view) if rows is None else len(rows)
            end -= len(stored)
            if found >= left:
                at = found - left if rows is None else int(rows[found - left])
                return _place(view, at, end) if len(view) > len(stored) else Beginning(end + at)
            left -= found
        if end > start:  # the writer took the rest meanwhile
            break
        span = min(2 * span, SPAN_ROWS)
        await asyncio.sleep(0)
    return Beginning(end)


def _place(view: FlowBatch, at: int, first_row: int) -> Beginning:
    """The place of a row of a view, which begins at a row of the ring and has more rows than that: a ring may as well
    hold both rows of an exchange, as who follows a server gets them.
    """
    before = added(view.take(slice(0, at)))
    follows = at > 0 and before[-1]  # the request that is made of the same row
    return Beginning(first_row + at - int(before.sum()), int(follows))

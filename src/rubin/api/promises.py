"""What a follower is promised: that nothing older than a time will come, so that who merges need not wait for it."""

import time
from collections.abc import Sequence

from rubin.api.told import Promise
from rubin.model.batch import FlowBatch
from rubin.store.cursor import Cursor
from rubin.store.ring import Ring

_USUAL_NS, _LEAST_NS = 200_000_000, 100_000_000
_MOST_NS = 750_000_000
"""Well below what a relay waits for (`--delay`, 1 s), or it would not wait for who was this late once."""
_KEPT_S = 5.0


class Lateness:
    """How long after its time a flow comes to be read: the most of the last seconds, from 0.1 to 0.75 s."""

    def __init__(self) -> None:
        self._now_ns = self._before_ns = _USUAL_NS
        self._since_s = time.monotonic()

    def note(self, late_ns: int) -> None:
        """One that was so late."""
        self._turn()
        self._now_ns = max(self._now_ns, min(late_ns, _MOST_NS))

    def ns(self) -> int:
        """What is to be reckoned with."""
        self._turn()
        return max(self._now_ns, self._before_ns)

    def _turn(self) -> None:
        now_s = time.monotonic()
        if now_s > self._since_s + _KEPT_S:
            is_fresh = now_s < self._since_s + 2 * _KEPT_S
            self._before_ns = self._now_ns if is_fresh else _LEAST_NS
            self._now_ns, self._since_s = _LEAST_NS, now_s


class Promises:
    """Of one reading. Nothing is promised, and nothing costs anything, where `every_s` is None."""

    def __init__(self, ring: Ring, every_s: float | None, lateness: Lateness | None = None) -> None:
        self._ring, self._every_s, self._lateness = ring, every_s, lateness or Lateness()
        self._told_s = 0.0
        self._held = 0

    def begin(self, cursor: Cursor, end_row: int | None) -> None:
        """The reading begins there; `end_row` None: it goes on for ever."""
        self._cursor, self._end = cursor, end_row
        self._live_row = self._ring.next_row if end_row is None else end_row

    def read(self, views: Sequence[FlowBatch]) -> None:
        """These have just been read: of those that are new, how late they are."""
        if self._every_s is None or self._end is not None or self._cursor.row <= self._live_row:
            return
        now_ns = time.time_ns()
        for view in views:
            if len(view):
                self._lateness.note(now_ns - int(view["time_ns"].min()))

    def after(self, held: int) -> None:
        """So many batches of those that were read have not been handed on."""
        self._held = held

    def is_due(self) -> bool:
        """Whether nothing was promised for too long."""
        return self._every_s is not None and time.monotonic() >= self._told_s + self._every_s

    def patience(self) -> list[float]:
        """Seconds until one is due, if ever."""
        return [] if self._every_s is None else [max(0.0, self._told_s + self._every_s - time.monotonic())]

    def now(self) -> Promise | None:
        """What can be promised after the batch that was handed on last; None: nothing."""
        if self._every_s is None or self._held:
            return None
        self._told_s = time.monotonic()
        is_live = self._cursor.row >= self._live_row
        end = self._ring.next_row if self._end is None else self._end
        unread_ns = self._ring.earliest_ns(self._cursor.row, end)
        coming_ns = time.time_ns() - self._lateness.ns() if self._end is None else None
        known = [at_ns for at_ns in (unread_ns, coming_ns) if at_ns is not None]
        return Promise(min(known), is_live) if known else None

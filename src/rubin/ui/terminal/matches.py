"""Which lines of the ring are shown: the flows that a filter wants, and the losses between them, by number."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rubin.model.batch import FlowBatch, Lost, concat, empty
from rubin.model.enums import Verdict
from rubin.model.filter import Filters
from rubin.model.tables import Tables
from rubin.query.failing import went_wrong
from rubin.store.cursor import Cursor
from rubin.store.ring import Ring
from rubin.words.times import SECOND_NS

I64 = npt.NDArray[np.int64]

_BAD = (Verdict.DROPPED, Verdict.ERROR)
_SPAN_ROWS = 32_768
_SECONDS = 900
"""How far back the rates are kept."""
_FIRST_ROOM = 4_096


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which flows: filters, a time (both ends belong to it), and whether only what went wrong."""

    filters: Filters = field(default_factory=Filters)
    since_ns: int | None = None
    until_ns: int | None = None
    abnormal: bool = False

    def mask(self, batch: FlowBatch) -> npt.NDArray[np.bool_]:
        """(n,) bool."""
        mask = np.ones(len(batch), np.bool_) if self.filters.everything else self.filters.mask(batch).copy()
        if self.since_ns is not None:
            mask &= batch["time_ns"] >= self.since_ns
        if self.until_ns is not None:
            mask &= batch["time_ns"] <= self.until_ns
        return mask & went_wrong(batch) if self.abnormal else mask


class Matches:
    """The lines in their order. `lines` holds the number of a flow's row in the ring, or -1 - n for loss n.

    `extend()` takes what has come since; the rest is for who draws. Of a ring whose rows are flows as they are read.
    """

    def __init__(self, ring: Ring, wanted: Wanted, first_row: int = 0) -> None:
        self.ring, self.wanted = ring, wanted
        self.seen = self.matched = self.bad = self.lost_events = self.overtaken = 0
        self.dropped_lines = 0
        """Lines that have gone from the front since the start: their flows are no longer held."""
        self.per_second: dict[int, list[int]] = {}
        """(flows, of them bad) by the second of their time."""
        self._cursor = Cursor(ring, max(first_row, ring.first_row))
        self._room: I64 = np.zeros(_FIRST_ROOM, np.int64)
        self._start = self._end = 0
        self._losses: list[Lost] = []
        self._losses_gone = 0

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def lines(self) -> I64:
        """(n,) int64, a view: good until the next `extend`."""
        return self._room[self._start : self._end]

    def extend(self, most_rows: int | None = None) -> bool:
        """Whether there is something new, or something gone. Reads all there is, or so many rows."""
        before, left = (self._end, self.dropped_lines), most_rows
        while left is None or left > 0:
            row = self._cursor.row
            views = self._cursor.read(most_rows=_SPAN_ROWS)
            if not views:
                break
            if left is not None:
                left -= self._cursor.row - row
            self._take(views)
        self.overtaken += self._cursor.take_overtaken()
        self._forget()
        return before != (self._end, self.dropped_lines)

    def loss(self, line: int) -> Lost:
        """What was lost, of a negative line."""
        return self._losses[-1 - line - self._losses_gone]

    def flows(self, rows: I64) -> FlowBatch:
        """The flows with these numbers, ascending; those that are gone are left out."""
        return rows_of(self.ring, rows)

    def went_wrong(self, lines: I64) -> npt.NDArray[np.bool_]:
        """(n,) bool, of some lines in their order: a loss, a drop or an error."""
        wrong: npt.NDArray[np.bool_] = lines < 0
        flows = np.flatnonzero(~wrong)
        rows = lines[flows]
        for first, view in numbered(self.ring, rows):
            mine = (rows >= first) & (rows < first + len(view))
            wrong[flows[mine]] = np.isin(view["verdict"][rows[mine] - first], _BAD)
        return wrong

    def _take(self, views: list[FlowBatch]) -> None:
        first = self._cursor.row - sum(map(len, views))
        for view in views:
            mask = self.wanted.mask(view)
            found = first + np.flatnonzero(mask).astype(np.int64)
            self.seen += len(view)
            self.matched += len(found)
            self._count(view, mask)
            self._add(self._with_losses(view, found, first))
            first += len(view)

    def _with_losses(self, view: FlowBatch, found: I64, first: int) -> I64:
        """The lines with those of the losses where they were noticed."""
        if not view.lost:
            return found
        latest = np.maximum.accumulate(view["time_ns"])
        told = sorted(view.lost, key=lambda lost: lost.time_ns)
        before = first + np.searchsorted(latest, [lost.time_ns for lost in told])
        codes = [-1 - self._losses_gone - len(self._losses) - at for at in range(len(told))]
        self._losses += told
        self.lost_events += sum(lost.events for lost in told)
        return np.insert(found, np.searchsorted(found, before), codes)

    def _count(self, view: FlowBatch, mask: npt.NDArray[np.bool_]) -> None:
        if not mask.any():
            return
        times, bad = view["time_ns"][mask] // SECOND_NS, np.isin(view["verdict"][mask], _BAD)
        self.bad += int(bad.sum())
        seconds, where = np.unique(times, return_inverse=True)
        alls, bads = np.bincount(where), np.bincount(where, bad)
        for second, number, wrong in zip(seconds.tolist(), alls.tolist(), bads.tolist(), strict=True):
            held = self.per_second.setdefault(second, [0, 0])
            held[0] += number
            held[1] += int(wrong)
        if len(self.per_second) > 2 * _SECONDS:
            for second in sorted(self.per_second)[:-_SECONDS]:
                del self.per_second[second]

    def _add(self, lines: I64) -> None:
        if self._end + len(lines) > len(self._room):
            held = self.lines
            room = np.zeros(max(_FIRST_ROOM, 2 * (len(held) + len(lines))), np.int64)
            room[: len(held)] = held
            self._room, self._start, self._end = room, 0, len(held)
        self._room[self._end : self._end + len(lines)] = lines
        self._end += len(lines)

    def _forget(self) -> None:
        """Leave out the lines at the front whose flows are gone, with the losses before them."""
        lines, oldest = self.lines, self.ring.first_row
        first = np.flatnonzero(lines[:_FIRST_ROOM] >= 0)
        if not len(first) or lines[first[0]] >= oldest:
            return
        held = np.flatnonzero(lines >= oldest)
        gone = int(held[0]) if len(held) else len(lines)
        losses = int((lines[:gone] < 0).sum())
        self._losses = self._losses[losses:]
        self._losses_gone += losses
        self._start += gone
        self.dropped_lines += gone


def numbered(ring: Ring, rows: I64) -> Iterator[tuple[int, FlowBatch]]:
    """Views of the ring from the first to the last of these rows, each with the number of its first row."""
    if not len(rows):
        return
    end = int(rows[-1]) + 1
    views = [view for view in ring.scan(int(rows[0]), end, as_stored=True) if len(view)]
    first = end - sum(map(len, views))  # what the writer has taken meanwhile was at the front
    for view in views:
        yield first, view.without_lost()
        first += len(view)


def rows_of(ring: Ring, rows: I64) -> FlowBatch:
    """The flows of the ring with these numbers, ascending, in one batch without losses; what is gone is left out."""
    found = []
    for first, view in numbered(ring, rows):
        mine = rows[(rows >= first) & (rows < first + len(view))]
        if len(mine):
            found.append(view.take(mine - first))
    # Tables of our own: the ring's are its writer's.
    return found[0] if len(found) == 1 else concat([empty(Tables()), *found])

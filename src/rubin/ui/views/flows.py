"""The flows as they come, four times a second: all of them while they are few, else some; drops and errors first."""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rubin.model.batch import Array, FlowBatch, Lost, concat
from rubin.model.enums import LostSource
from rubin.query.failing import went_wrong
from rubin.ui.frames import Body, Head, Table, Texts, Type, texts_used
from rubin.ui.views.rows import KINDS, TEXT_COLUMNS, breaks, losses, rows_of
from rubin.ui.views.view import Lens

_TROUBLED = 4  # times as many rows may be sent where they are drops and errors
_SNAPSHOTS, _MOST_SNAPSHOT = 20, 20_000
_RATE_S = 5.0
_UNUSED_S = 3.0  # whose rows that were not needed may be sent later
_QUIET_S = 1.0  # so often at least a tab hears that there was nothing

_Rows = dict[str, Array]
_Part = tuple[_Rows, Array]  # and which of the rows a slow tab is not to miss


@dataclass(slots=True)
class _Count:
    """Of a tick: flows, those of them in trouble, and what was lost."""

    seen: int = 0
    troubled: int = 0
    lost: tuple[Lost, ...] = ()

    def head(self, rows: _Rows, first: Array) -> Head:
        """What a frame of these rows says of the rest."""
        return {"seen": self.seen, "troubled": self.troubled} | _lost(self.lost) | _shown(self.seen, rows, first)


class Flows:
    """Rows; `recent` are those that a tab which comes late is shown."""

    every_s = 0.25

    def __init__(self, lens: Lens) -> None:
        self._lens = lens
        self._most = lens.asked.most_rows
        self._recent: deque[_Part] = deque()
        self._held = 0
        self._texts: Texts = lens.dictionary.texts()
        self._counts: deque[tuple[float, int]] = deque()
        self._told = 0.0
        self._ticked, self._unused = time.monotonic(), self._most * _UNUSED_S

    def prepare(self) -> None:
        """The newest flows that are held."""
        left, parts = min(self._most * _SNAPSHOTS, _MOST_SNAPSHOT), []
        for batch in self._lens.held(newest_first=True):
            if len(batch):
                parts.append(batch.take(slice(max(0, len(batch) - left), None)))
                left -= len(parts[-1])
            if left <= 0:
                break
        for batch in reversed(parts):
            self._remember(self._rows(batch))
        now = time.monotonic()
        self._counts.extend([(now - _RATE_S, 0), (now, self._lens.lately(_RATE_S))])

    def tick(self) -> Body | None:
        """What has come since the last; None where nothing has, or the time does not move."""
        if not self._lens.asked.time.is_live:
            return None
        picked, count = self._picked(self._lens.new())
        gaps, now = self._lens.gaps(), time.monotonic()
        self._counts.append((now, count.seen))
        while self._counts[0][0] < now - _RATE_S:
            self._counts.popleft()
        if not count.seen and not count.lost and not gaps and now < self._told + _QUIET_S:
            return None
        self._told = now
        self._renew()
        notes = [(breaks(gaps, self._texts), len(gaps)), (losses(count.lost, self._texts), len(count.lost))]
        parts = [(rows, np.ones(n, np.bool_)) for rows, n in notes]
        if picked:
            parts.append(self._rows(concat(part.without_lost() for part in picked)))
        rows, first = _together(parts)
        self._remember((rows, first))
        return self._body(rows, first, count, False)

    def snapshot(self) -> Body:
        """The recent ones."""
        rows, first = _together(list(self._recent) or [(losses((), self._texts), np.zeros(0, np.bool_))])
        return self._body(rows, first, _Count(len(first), int(first.sum())), True)

    def _picked(self, batches: Iterable[FlowBatch]) -> tuple[list[FlowBatch], _Count]:
        """Those to send, in the order in which they came: the newest in trouble, and others spread evenly."""
        ordinary, used = self._room(), 0
        count, parts, picked = _Count(), list[tuple[int, FlowBatch]](), list[FlowBatch]()
        for batch in batches:
            count.lost += batch.lost
            if len(batch):
                trouble = went_wrong(batch)
                count.seen += len(batch)
                count.troubled += int(trouble.sum())
                # at once, lest all that has come lies here while the rest is read
                parts.append((len(batch), _thinned(batch, trouble, _TROUBLED * self._most, ordinary)))
        left = _TROUBLED * self._most
        for seen, batch in reversed(parts):
            trouble = went_wrong(batch)
            picked.insert(0, _thinned(batch, trouble, left, max(1, ordinary * seen // count.seen)))
            bad = min(left, int(trouble.sum()))
            left, used = left - bad, used + len(picked[0]) - bad
        self._unused -= used
        return picked, count

    def _room(self) -> int:
        """How many ordinary rows may be sent now: what comes late, or after a quiet moment, is shown whole."""
        now, before = time.monotonic(), self._ticked
        self._unused = min(self._unused + self._most * (now - before), self._most * _UNUSED_S)
        self._ticked = now
        return max(1, int(self._unused))

    def _rows(self, batch: FlowBatch) -> _Part:
        return rows_of(batch, self._texts), went_wrong(batch)

    def _remember(self, part: _Part) -> None:
        if not len(part[1]):
            return
        self._recent.append(part)
        self._held += len(part[1])
        while self._held > min(self._most * _SNAPSHOTS, _MOST_SNAPSHOT) and len(self._recent) > 1:
            self._held -= len(self._recent.popleft()[1])

    def _renew(self) -> None:
        """Go on with other texts where the dictionary does: rows of the old ones are not shown to who comes late."""
        texts = self._lens.dictionary.texts()
        if texts is not self._texts:
            self._texts, self._held = texts, 0
            self._recent.clear()

    def _per_second(self) -> float:
        span = max(self.every_s, self._counts[-1][0] - self._counts[0][0]) if self._counts else 1.0
        return round(sum(count for _, count in list(self._counts)[1:]) / span, 1)

    def _body(self, rows: _Rows, first: Array, count: _Count, is_snapshot: bool) -> Body:
        head = count.head(rows, first) | {"per_second": self._per_second()}
        table = Table({name: (kind, rows[name]) for name, kind in KINDS.items()})
        used = texts_used(rows[name] for name in TEXT_COLUMNS)
        now_ms = self._lens.feed.now_ns() / 1e6
        return Body(Type.FLOWS, now_ms, self._texts, head, {"rows": table}, is_snapshot, used, first)


def joined(older: Body, newer: Body, most: int) -> Body:
    """One frame of two that a slow tab has not taken: the newest rows, and of the older ones first those in trouble."""
    head = dict(newer.head)
    for name in ("seen", "troubled", "lost_kernel", "lost_user"):
        head[name] = older.head[name] + newer.head[name]
    if newer.is_snapshot or older.texts is not newer.texts:
        head["sampled"] = newer.head["sampled"] or len(older.first) > 0
        return Body(
            newer.type, newer.time_ms, newer.texts, head, newer.tables, newer.is_snapshot, newer.used, newer.first
        )
    tables = [body.tables["rows"].columns for body in (older, newer)]
    first = np.concatenate([older.first, newer.first])
    most = max(most, len(older.first)) if older.is_snapshot else most
    order = np.lexsort((-np.arange(len(first)), ~first))  # those in trouble, the newest of either first
    kept = np.sort(order[:most])
    rows = {name: np.concatenate([table[name][1] for table in tables])[kept] for name in KINDS}
    head |= _shown(head["seen"], rows, first[kept])
    table = Table({name: (kind, rows[name]) for name, kind in KINDS.items()})
    used = texts_used(rows[name] for name in TEXT_COLUMNS)
    return Body(newer.type, newer.time_ms, newer.texts, head, {"rows": table}, older.is_snapshot, used, first[kept])


def _thinned(batch: FlowBatch, trouble: Array, most: int, ordinary: int) -> FlowBatch:
    """The newest of the troubled rows, and of the others some that are spread evenly."""
    bad, good = np.flatnonzero(trouble), np.flatnonzero(~trouble)
    bad = bad[max(0, len(bad) - most) :]
    if len(good) > ordinary:
        good = good[np.linspace(0, len(good) - 1, ordinary).astype(np.int64)]
    return batch if len(bad) + len(good) == len(batch) else batch.take(np.sort(np.concatenate([bad, good])))


def _together(parts: list[_Part]) -> _Part:
    rows = {name: np.concatenate([part[name] for part, _ in parts]) for name in KINDS}
    return rows, np.concatenate([first for _, first in parts])


def _shown(seen: int, rows: _Rows, first: Array) -> Head:
    """How many flows are among the rows, of so many."""
    flows = rows["is_loss"] == 0
    sent = int(flows.sum())
    return {"sent": sent, "troubled_sent": int((first & flows).sum()), "sampled": sent < seen}


def _lost(lost: tuple[Lost, ...]) -> Head:
    kernel = sum(one.events for one in lost if one.source == LostSource.PERF_EVENT_RING_BUFFER)
    return {"lost_kernel": kernel, "lost_user": sum(one.events for one in lost) - kernel}

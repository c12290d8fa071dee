"""The flows as they come, four times a second: all of them while they are few, else some; drops and errors first."""

import time
from collections import deque

import numpy as np

from rubin.model.batch import Array, FlowBatch, Lost, concat
from rubin.model.enums import LostSource
from rubin.ui.frames import Body, Head, Table, Texts, Type, texts_used
from rubin.ui.views.rows import KINDS, TEXT_COLUMNS, losses, rows_of, troubled
from rubin.ui.views.view import Lens

_SNAPSHOTS, _MOST_SNAPSHOT = 20, 20_000
_RATE_S = 5.0
_QUIET_S = 1.0  # so often at least a tab hears that there was nothing

_Rows = dict[str, Array]


class Flows:
    """Rows; `recent` are those that a tab which comes late is shown."""

    every_s = 0.25

    def __init__(self, lens: Lens) -> None:
        self._lens = lens
        self._most = lens.asked.most_rows
        self._recent: deque[tuple[_Rows, Array]] = deque()
        self._held = 0
        self._texts: Texts = lens.dictionary.texts()
        self._counts: deque[tuple[float, int]] = deque()
        self._told = 0.0

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
            self._remember(rows_of(batch, self._texts), troubled(batch))

    def tick(self) -> Body | None:
        """What has come since the last; None where nothing has, or the time does not move."""
        if not self._lens.asked.time.is_live:
            return None
        batches = self._lens.new()
        seen = sum(map(len, batches))
        lost = tuple(one for batch in batches for one in batch.lost)
        now = time.monotonic()
        self._counts.append((now, seen))
        while self._counts[0][0] < now - _RATE_S:
            self._counts.popleft()
        if not seen and not lost and now < self._told + _QUIET_S:
            return None
        self._told = now
        self._renew()
        rows, first = self._chosen(batches, lost)
        self._remember(rows, first)
        sent = len(first) - len(lost)
        head: Head = {"seen": seen, "sent": sent, "per_second": self._per_second(), "sampled": sent < seen}
        return self._body(rows, first, head | _lost(lost), False)

    def snapshot(self) -> Body:
        """The recent ones."""
        parts = list(self._recent) or [(losses((), self._texts), np.zeros(0, np.bool_))]
        rows = {name: np.concatenate([part[name] for part, _ in parts]) for name in KINDS}
        first = np.concatenate([mask for _, mask in parts])
        head: Head = {"seen": len(first), "sent": len(first), "per_second": self._per_second(), "sampled": False}
        return self._body(rows, first, head | _lost(()), True)

    def _chosen(self, batches: list[FlowBatch], lost: tuple[Lost, ...]) -> tuple[_Rows, Array]:
        """The rows to send, in the order in which they came, and which of them are troubled."""
        ordinary = max(1, int(self._most * self.every_s))
        parts = []
        for batch in batches:
            if len(batch):
                trouble = troubled(batch)
                share = max(1, ordinary * len(batch) // sum(map(len, batches)))
                parts.append(_picked(batch, trouble, self._most, share))
        made = [losses(lost, self._texts)] if lost else []
        masks = [np.ones(len(lost), np.bool_)] if lost else []
        if parts:
            batch = concat(part.without_lost() for part in parts)
            made.append(rows_of(batch, self._texts))
            masks.append(troubled(batch))
        made = made or [losses((), self._texts)]
        return {name: np.concatenate([part[name] for part in made]) for name in KINDS}, (
            np.concatenate(masks) if masks else np.zeros(0, np.bool_)
        )

    def _remember(self, rows: _Rows, first: Array) -> None:
        if not len(first):
            return
        self._recent.append((rows, first))
        self._held += len(first)
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

    def _body(self, rows: _Rows, first: Array, head: Head, is_snapshot: bool) -> Body:
        table = Table({name: (kind, rows[name]) for name, kind in KINDS.items()})
        used = texts_used(rows[name] for name in TEXT_COLUMNS)
        now_ms = self._lens.feed.now_ns() / 1e6
        return Body(Type.FLOWS, now_ms, self._texts, head, {"rows": table}, is_snapshot, used, first)


def joined(older: Body, newer: Body, most: int) -> Body:
    """One frame of two that a slow tab has not taken: the newest rows, and of the older ones first those in trouble."""
    head = dict(newer.head)
    for name in ("seen", "lost_kernel", "lost_user"):
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
    head["sent"] = len(kept) - int((rows["is_loss"] == 1).sum())
    head["sampled"] = older.head["sampled"] or newer.head["sampled"] or len(kept) < len(first)
    table = Table({name: (kind, rows[name]) for name, kind in KINDS.items()})
    used = texts_used(rows[name] for name in TEXT_COLUMNS)
    return Body(newer.type, newer.time_ms, newer.texts, head, {"rows": table}, older.is_snapshot, used, first[kept])


def _picked(batch: FlowBatch, trouble: Array, most: int, ordinary: int) -> FlowBatch:
    """The newest of the troubled rows, and of the others some that are spread evenly."""
    bad, good = np.flatnonzero(trouble)[-most:], np.flatnonzero(~trouble)
    if len(bad) + len(good) <= ordinary:
        return batch
    if len(good) > ordinary:
        good = good[np.linspace(0, len(good) - 1, ordinary).astype(np.int64)]
    return batch.take(np.sort(np.concatenate([bad, good])))


def _lost(lost: tuple[Lost, ...]) -> Head:
    kernel = sum(one.events for one in lost if one.source == LostSource.PERF_EVENT_RING_BUFFER)
    return {"lost_kernel": kernel, "lost_user": sum(one.events for one in lost) - kernel}

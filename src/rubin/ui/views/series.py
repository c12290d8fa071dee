"""How many flows there were, by verdict, over time, and what happened first then."""

import numpy as np

from rubin.query.series import COLUMNS, Buckets, Series
from rubin.ui.frames import Array, Body, Table, Texts, Type, texts_used
from rubin.ui.views.events import Event, Events
from rubin.ui.views.view import Lens

_LIVE_BUCKETS = 10  # of a tick: what comes late still counts
_MOST_HELD = 5_000  # groups of a segment that are told apart when what is held is looked through, beside the loop


class Over:
    """All that the ring reaches back to, or a time of it."""

    every_s = 1.0

    def __init__(self, lens: Lens) -> None:
        self._lens = lens
        self._series = Series()
        self._events = Events(0)
        self._shown: list[Event] = []
        self._width_ns = 0

    def prepare(self) -> None:
        """The flows that are held."""
        time = self._lens.asked.time
        feed, is_range = self._lens.feed, time.mode == "range"
        oldest_ns = max(feed.oldest_ns(), time.since_ns if is_range else 0)
        self._events = Events(oldest_ns)
        self._events.breaks(gap for gap in list(feed.gaps) if gap.until_ns >= oldest_ns)
        for batch in self._lens.scan(time.since_ns if is_range else None, time.until_ns if is_range else None):
            self._series.take(batch)
            self._events.take(batch, _MOST_HELD)

    def tick(self) -> Body | None:
        """The last buckets; all of them where they are of another width now; None where the time does not move."""
        if self._lens.asked.time.mode == "range":
            return None
        for batch in self._lens.new():
            self._series.take(batch)
            self._events.take(batch)
        self._events.breaks(self._lens.gaps())
        oldest_ns = self._lens.feed.oldest_ns()
        self._series.forget(oldest_ns)
        self._events.forget(oldest_ns)
        buckets = self._series.buckets()
        is_other, self._width_ns = buckets.width_ns != self._width_ns, buckets.width_ns
        body = self._body(buckets, is_other)
        self._shown = self._events.told(buckets.width_ns)
        return body

    def snapshot(self) -> Body:
        """All of them."""
        return self._body(self._series.buckets(), True)

    def _body(self, buckets: Buckets, is_snapshot: bool) -> Body:
        first = 0 if is_snapshot else max(0, len(buckets.times_ns) - _LIVE_BUCKETS)
        columns: dict[str, tuple[str, Array]] = {"time": ("f8", buckets.times_ns[first:] / 1e6)}
        columns |= {name: ("u4", buckets.counts[first:, at]) for at, name in enumerate(COLUMNS)}
        feed, time = self._lens.feed, self._lens.asked.time
        since_ns, until_ns = feed.oldest_ns(), feed.now_ns()
        if time.mode == "range":
            since_ns, until_ns = time.since_ns, time.until_ns
        head = {"bucket_ms": buckets.width_ns / 1e6, "oldest_ms": since_ns / 1e6, "newest_ms": until_ns / 1e6}
        tables, texts = {"buckets": Table(columns)}, self._lens.dictionary.texts()
        used = np.empty(0, np.int64)
        events = self._events.told(buckets.width_ns)
        if is_snapshot or events is not self._shown:
            tables["events"], used = _table(events, texts)
        return Body(Type.SERIES, feed.now_ns() / 1e6, texts, head, tables, is_snapshot, used)


def _table(events: list[Event], texts: Texts) -> tuple[Table, Array]:
    """A row an event, and the numbers of its texts."""
    words = np.array([texts.number(one.words) for one in events], np.int64)
    columns = {
        "time": ("f8", np.array([one.time_ns / 1e6 for one in events], np.float64)),
        "kind": ("u1", np.array([one.kind for one in events], np.int64)),
        "count": ("u4", np.array([one.count for one in events], np.int64)),
        "words": ("u4", words),
    }
    return Table(columns), texts_used([words])

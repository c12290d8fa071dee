"""How many flows there were, by verdict, over time."""

from rubin.query.series import COLUMNS, Buckets, Series
from rubin.ui.frames import Array, Body, Table, Type
from rubin.ui.views.view import Lens

_LIVE_BUCKETS = 10  # of a tick: what comes late still counts


class Over:
    """All that the ring reaches back to, or a time of it."""

    every_s = 1.0

    def __init__(self, lens: Lens) -> None:
        self._lens = lens
        self._series = Series()
        self._width_ns = 0

    def prepare(self) -> None:
        """The flows that are held."""
        time = self._lens.asked.time
        is_range = time.mode == "range"
        for batch in self._lens.scan(time.since_ns if is_range else None, time.until_ns if is_range else None):
            self._series.take(batch)

    def tick(self) -> Body | None:
        """The last buckets; all of them where they are of another width now; None where the time does not move."""
        if self._lens.asked.time.mode == "range":
            return None
        for batch in self._lens.new():
            self._series.take(batch)
        self._series.forget(self._lens.feed.oldest_ns())
        buckets = self._series.buckets()
        is_other, self._width_ns = buckets.width_ns != self._width_ns, buckets.width_ns
        return self._body(buckets, is_other)

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
        table = {"buckets": Table(columns)}
        return Body(Type.SERIES, feed.now_ns() / 1e6, self._lens.dictionary.texts(), head, table, is_snapshot)

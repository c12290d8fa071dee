"""What became of the flows, over time: counts by verdict in steps, as far back as the ring reaches."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rubin.model.batch import FlowBatch
from rubin.model.enums import Verdict
from rubin.model.filter import Filters
from rubin.query.picture import chosen
from rubin.store.ring import Ring

U32 = npt.NDArray[np.uint32]

COLUMNS = ("forwarded", "dropped", "error", "audit", "other", "lost")
MOST_BUCKETS = 300
_SECOND_NS = 1_000_000_000
_MOST_STEPS = 100_000
_LEAST_NS, _GREATEST_NS = 946_684_800 * _SECOND_NS, 4_102_444_800 * _SECOND_NS  # from 2000 to 2100
_OTHER = COLUMNS.index("other")
_LOST = COLUMNS.index("lost")
_OF = np.full(256, _OTHER)
_OF[[Verdict.FORWARDED, Verdict.REDIRECTED, Verdict.TRACED, Verdict.TRANSLATED]] = 0
_OF[[Verdict.DROPPED, Verdict.ERROR, Verdict.AUDIT]] = 1, 2, 3
_WIDTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400)


@dataclass(frozen=True, slots=True)
class Buckets:
    """(n,) times at which they begin, ns since the epoch; (n, COLUMNS) counts; how long each is."""

    times_ns: npt.NDArray[np.int64]
    counts: U32
    width_ns: int


class Series:
    """`take` flows as they come; counts are kept by the second, coarser where a second is too fine for all of them."""

    def __init__(self) -> None:
        self._step_ns = _SECOND_NS
        self._first = 0  # number of the first step held; 0 while nothing is held
        self._counts: npt.NDArray[np.int64] = np.zeros((0, len(COLUMNS)), np.int64)

    def take(self, batch: FlowBatch) -> None:
        """More flows, and what was lost between them. Times that no clock shows are not counted."""
        times = batch["time_ns"]
        sane = (times >= _LEAST_NS) & (times < _GREATEST_NS)
        if sane.any():
            times, verdicts = times[sane], batch["verdict"][sane]
            self._reach(int(times.min()), int(times.max()))
            cells = (times // self._step_ns - self._first) * len(COLUMNS) + _OF[verdicts]
            self._counts += np.bincount(cells, minlength=self._counts.size).reshape(self._counts.shape)
        for lost in batch.lost:
            if _LEAST_NS <= lost.time_ns < _GREATEST_NS:
                self._reach(lost.time_ns, lost.time_ns)
                self._counts[lost.time_ns // self._step_ns - self._first, _LOST] += lost.events

    def forget(self, before_ns: int) -> None:
        """What is older is held no longer."""
        gone = min(before_ns // self._step_ns - self._first, len(self._counts))
        if gone > 0:
            self._counts, self._first = self._counts[gone:], self._first + gone

    def buckets(self, since_ns: int | None = None, until_ns: int | None = None, most: int = MOST_BUCKETS) -> Buckets:
        """All that is held, or of a time, in at most so many steps of equal width."""
        end = self._first + len(self._counts)
        first = self._first if since_ns is None else max(self._first, since_ns // self._step_ns)
        end = end if until_ns is None else min(end, until_ns // self._step_ns + 1)
        count = max(0, end - first)
        width = _width(count * self._step_ns, most, self._step_ns)
        if not count:
            return Buckets(np.empty(0, np.int64), np.zeros((0, len(COLUMNS)), np.uint32), width * self._step_ns)
        places = np.arange(first, end) // width
        starts = np.flatnonzero(np.diff(places, prepend=-1))
        counts = np.add.reduceat(self._counts[first - self._first : end - self._first], starts)
        times = places[starts] * width * self._step_ns
        return Buckets(times, np.minimum(counts, 0xFFFFFFFF).astype(np.uint32), width * self._step_ns)

    def _reach(self, first_ns: int, last_ns: int) -> None:
        """Make room for these times, in coarser steps where there would be too many."""
        if not len(self._counts):
            self._first = first_ns // self._step_ns
        while True:
            first = min(self._first, first_ns // self._step_ns)
            end = max(self._first + len(self._counts), last_ns // self._step_ns + 1)
            if end - first <= _MOST_STEPS:
                break
            self._coarser()
        front, back = self._first - first, end - self._first - len(self._counts)
        if front or back:
            self._counts = np.pad(self._counts, ((front, back), (0, 0)))
            self._first = first

    def _coarser(self) -> None:
        """Ten steps are one from now on."""
        places = (self._first + np.arange(len(self._counts))) // 10
        if len(places):
            self._counts = np.add.reduceat(self._counts, np.flatnonzero(np.diff(places, prepend=-1)))
        self._first, self._step_ns = self._first // 10, 10 * self._step_ns


def series_of(ring: Ring, filters: Filters | None, since_ns: int | None = None, until_ns: int | None = None) -> Series:
    """Of what the ring holds of a time."""
    made = Series()
    for view in ring.scan(since_ns=since_ns, until_ns=until_ns):
        made.take(chosen(view, filters, since_ns, until_ns))
    return made


def _width(span_ns: int, most: int, step_ns: int) -> int:
    """Steps of a bucket: a width that a person would choose, so that a span has at most so many of them."""
    for seconds in _WIDTHS_S:
        width_ns = seconds * _SECOND_NS
        if width_ns >= step_ns and span_ns < (most - 1) * width_ns:
            return width_ns // step_ns
    return -(-span_ns // ((most - 1) * step_ns))

"""Counts by verdict over time."""

import numpy as np
import pytest

from rubin.model.batch import FlowBatch, Lost, empty
from rubin.model.enums import LostSource, Verdict
from rubin.model.filter import Filters, FlowFilter
from rubin.query.series import COLUMNS, MOST_BUCKETS, Series, series_of
from rubin.store.ring import Ring
from tests.flows import flows, generate

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def at(*seconds: float, verdict: str = "FORWARDED") -> FlowBatch:
    table = "src dst verdict time_ns\n" + "\n".join(
        f"10.0.0.1:1 10.0.0.2:2 {verdict} {START + int(second * SECOND)}" for second in seconds
    )
    return flows(table)


def told(of: Series, **span: int) -> list[tuple[int, dict[str, int]]]:
    buckets = of.buckets(**span)
    return [
        (int(time - START) // SECOND, {name: int(n) for name, n in zip(COLUMNS, row, strict=True) if n})
        for time, row in zip(buckets.times_ns, buckets.counts, strict=True)
    ]


def test_by_the_second_and_verdict_quiet_ones_too() -> None:
    series = Series()
    series.take(at(0, 0.5, 3))
    series.take(at(1.2, verdict="DROPPED"))
    assert told(series) == [(0, {"forwarded": 2}), (1, {"dropped": 1}), (2, {}), (3, {"forwarded": 1})]
    assert told(series, since_ns=START + SECOND, until_ns=START + 2 * SECOND) == [(1, {"dropped": 1}), (2, {})]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_is_counted(verdict: Verdict) -> None:
    series = Series()
    series.take(at(0).with_columns(verdict=np.array([verdict])))
    assert int(series.buckets().counts.sum()) == 1


def test_losses_are_counted_where_they_happened() -> None:
    series = Series()
    series.take(at(0))
    series.take(empty(lost=(Lost(LostSource.PERF_EVENT_RING_BUFFER, 7, START + 2 * SECOND),)))
    assert told(series) == [(0, {"forwarded": 1}), (1, {}), (2, {"lost": 7})]


@pytest.mark.parametrize("days", [0.001, 0.1, 1, 3, 30, 400])
def test_whatever_the_span_there_are_few_buckets_and_none_is_lost(days: float) -> None:
    series, rng = Series(), np.random.default_rng(1)
    seconds = np.sort(rng.integers(0, int(days * 86_400), 5_000))
    for part in np.array_split(seconds, 10):
        batch = generate(len(part)).with_columns(time_ns=START + part * SECOND)
        series.take(batch)
    buckets = series.buckets()
    assert 1 <= len(buckets.times_ns) <= MOST_BUCKETS
    assert int(buckets.counts.sum()) == 5_000
    assert (np.diff(buckets.times_ns) == buckets.width_ns).all()


def test_what_the_ring_forgot_is_forgotten() -> None:
    series = Series()
    series.take(at(0, 10, 20))
    series.forget(START + 15 * SECOND)
    assert sum(sum(counts.values()) for _, counts in told(series)) == 1


def test_a_clock_gone_astray_takes_no_memory() -> None:
    series = Series()
    series.take(at(0))
    series.take(at(1).with_columns(time_ns=np.array([2**62])))
    series.take(at(1).with_columns(time_ns=np.array([0])))
    assert len(series.buckets().times_ns) <= MOST_BUCKETS


def test_of_a_ring_with_filters_and_times() -> None:
    ring = Ring()
    ring.append(generate(50_000))
    drops = series_of(ring, Filters([FlowFilter(verdict=(Verdict.DROPPED,))], []))
    every = series_of(ring, None)
    dropped = COLUMNS.index("dropped")
    assert int(drops.buckets().counts.sum()) == int(every.buckets().counts[:, dropped].sum()) > 0
    first = int(next(ring.scan())["time_ns"].min())
    some = series_of(ring, None, first, first + 100_000_000)
    assert 0 < int(some.buckets().counts.sum()) < 50_000
    assert not len(series_of(Ring(), None).buckets().times_ns)

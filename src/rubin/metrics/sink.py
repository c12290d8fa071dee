"""All metrics together: a sink of the line, and the page as bytes."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rubin.metrics.alike import Alike, Amounts
from rubin.metrics.catalogue import COUNTERS, HANDLERS, LAYER_7
from rubin.metrics.configuration import Configuration, Metric, parse
from rubin.metrics.contexts import Contexts, Moved
from rubin.metrics.exposition import page
from rubin.metrics.handlers.setup import FlowCounter, Handler, Series, Setup
from rubin.metrics.lost import LostEvents
from rubin.metrics.once import Once
from rubin.metrics.options import Options
from rubin.metrics.own import Figure, Own, one
from rubin.metrics.said import Heard
from rubin.metrics.series import Family, Room
from rubin.metrics.shapes import told
from rubin.model.batch import FlowBatch, Lost

Select = Callable[[FlowBatch], npt.NDArray[np.bool_]]

DEFAULT = (
    "drop tcp icmp sctp policy port-distribution"
    " flow:labelsContext=source_namespace,source_app,destination_namespace,destination_app"
    " flows-to-world:labelsContext=source_namespace,source_app,destination_namespace,destination_app"
)
_SWEEP_S = 30.0
_GRACE_S = 60  # a pod's last flows may come late, as in Hubble

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What is counted and how much of it is held."""

    metrics: str = DEFAULT
    """Metrics with their options, as Hubble's `--hubble-metrics` takes them, or Helm's list in braces."""
    series_limit: int = 20_000
    """Series a metric may have; what comes after is counted in rubin_metrics_overflow_total and nowhere else."""
    series_idle_s: int = 3600
    """A series that nothing was added to for so long goes; a tenth of it where a metric is full."""


@dataclass
class _Running:
    """A metric at work. `select` says which flows it is for; None: all."""

    metric: Metric
    contexts: Contexts
    counter: FlowCounter | None = None
    handler: Handler | None = None
    select: Select | None = None

    @property
    def series(self) -> Sequence[Series]:
        """What it counts into."""
        measure = self.counter or self.handler
        return measure.series if measure else ()

    @property
    def waits(self) -> bool:
        """Whether it may count flows that are put together (`metrics/alike.py`)."""
        return self.counter is not None and self.select is None and not self.contexts.asks_address


class Metrics:
    """Counts every batch. `observe` runs on the line's thread, everything else on any."""

    def __init__(
        self,
        settings: Settings,
        configuration: Configuration | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._clock = settings, clock
        self._observed_s = clock()
        self._room = Room(settings.series_limit, lambda: self._observed_s)
        self._lock = threading.Lock()
        self._contexts: dict[Options, Contexts] = {}
        self._running: dict[str, _Running] = {}
        self._once, self._alike = Once(), Alike()
        self._heard = Heard()
        self._lost = LostEvents()
        self._gone: list[tuple[int, str, str]] = []
        self._sweep_at = clock() + _SWEEP_S
        self._expired = 0
        self.own = Own()
        self._add_own_figures()
        self.configuration = parse(settings.metrics) if configuration is None else configuration
        for note in self.configuration.notes:
            _LOG.info("metrics: %s", note)
        for metric in self.configuration.metrics:
            self.start(metric)

    def start(self, metric: Metric, select: Select | None = None) -> None:
        """Count one more metric, of the flows that `select` marks."""
        with self._lock:
            self._count_alike()
            contexts = self._contexts.setdefault(metric.context, Contexts(metric.context, self._room.sides))
            setup = Setup(contexts, metric.flags, self._room, self._heard)
            if metric.name in COUNTERS:
                running = _Running(metric, contexts, counter=COUNTERS[metric.name](setup), select=select)
            else:
                running = _Running(metric, contexts, handler=HANDLERS[metric.name](setup), select=select)
            self._running[metric.name] = running

    def stop(self, name: str) -> None:
        """Count a metric no more and forget its series."""
        with self._lock:
            self._count_alike()
            self._running.pop(name)
            used = {running.metric.context for running in self._running.values()}
            self._contexts = {options: contexts for options, contexts in self._contexts.items() if options in used}

    def select(self, name: str, select: Select | None) -> None:
        """Change which flows a metric is for."""
        with self._lock:
            self._count_alike()
            self._running[name].select = select

    @property
    def running(self) -> dict[str, Metric]:
        """The metrics at work by name."""
        with self._lock:
            return {name: running.metric for name, running in self._running.items()}

    def observe(self, batch: FlowBatch) -> None:
        """Count a batch and what it says was lost."""
        self.note_lost(batch.lost)
        if not len(batch):
            return
        with self._lock:
            try:
                self._observe_all(batch)
            finally:
                self._forget_batch()
            self._sweep_when_due()

    def _observe_all(self, batch: FlowBatch) -> None:
        """One kind after the other: contexts keep the keys of one batch."""
        running = self._running.values()
        amounts = self._amounts(batch)
        if any(each.waits for each in running):
            if not self._alike.suits(batch):
                self._count_alike()
            self._alike.add(batch, amounts)
        self._observed_s = self._clock()
        if any(each.counter and not each.waits for each in running):
            self._count_packets(batch, amounts)
        said = "message" in batch
        for each in running:
            if each.handler and (said or each.metric.name not in LAYER_7):
                chosen = _chosen(batch, each.select)
                if len(chosen):
                    each.handler.observe(chosen)

    def _amounts(self, batch: FlowBatch) -> Amounts:
        counted = self._once.rows(batch, int(self._clock()))
        moved = (np.multiply(batch[name], counted, dtype=np.int64) for name in ("packets", "bytes"))
        return Amounts(np.ones(len(batch), np.int64), *moved)

    def _count_packets(self, batch: FlowBatch, amounts: Amounts) -> None:
        """Let the counters that do not wait have a batch."""
        rows = np.flatnonzero(told(batch))
        if len(rows) < len(batch):
            batch, amounts = batch.take(rows), amounts.take(rows)
        for each in self._running.values():
            if not each.counter or each.waits:
                continue
            if each.select is None:
                each.counter.observe(batch, amounts)
            elif len(rows := np.flatnonzero(each.select(batch))):
                each.counter.observe(batch.take(rows), amounts.take(rows))

    def _count_alike(self) -> None:
        """Let the counters that wait have what was put together for them."""
        for batch, amounts in self._alike.take():
            try:
                for each in self._running.values():
                    if each.counter and each.waits:
                        each.counter.observe(batch, amounts)
            finally:
                self._forget_batch()

    def _forget_batch(self) -> None:
        for contexts in self._contexts.values():
            contexts.forget_batch()
        self._heard.forget_batch()

    def settle(self) -> None:
        """Count all that was observed: else that waits until somebody reads."""
        with self._lock:
            self._count_alike()

    def note_lost(self, losses: Iterable[Lost]) -> None:
        """Count losses that no batch carries (a slow client, a full disk)."""
        self._lost.note(losses)

    def gone(self, namespace: str, pod: str) -> None:
        """A pod is no more: its series go after a minute unless it is seen again."""
        with self._lock:
            self._count_alike()
            self._gone.append((int(self._clock()), namespace, pod))

    def exposition(self, open_metrics: bool = False) -> bytes:
        """The page. Sums are copied at one moment; the line waits for the copying only."""
        with self._lock:
            self._count_alike()
            self._sweep_when_due()
            reads = [series.read() for series in self._series()]
        return page(self._families(reads), open_metrics)

    def _families(self, reads: Iterable[Callable[[], Iterator[Family]]]) -> Iterator[Family]:
        for read in reads:
            yield from read()
        yield from self._lost.families()
        yield from self.own.families()

    def _series(self) -> Iterator[Series]:
        for running in self._running.values():
            yield from running.series

    def _sweep_when_due(self) -> None:
        if self._clock() >= self._sweep_at:
            self._count_alike()
            self._sweep_at = self._clock() + _SWEEP_S
            self._sweep(int(self._clock()))

    def _sweep(self, now_s: int) -> None:
        """Let idle series go, then pods that went, then the words that nothing names any more."""
        for series in self._series():
            idle_s = self._settings.series_idle_s // (10 if series.sums.full else 1)
            self._expired += series.sums.drop_before(now_s - idle_s)
            series.tidy()
        due = {(pod[1], pod[2]): pod[0] for pod in self._gone if pod[0] <= now_s - _GRACE_S}
        self._gone = [pod for pod in self._gone if pod[0] > now_s - _GRACE_S]
        if due:
            self._expired += sum(series.drop_pods(due) for series in self._series())
        for contexts in self._contexts.values():
            users = [series for series in self._series() if series.contexts is contexts]
            if users:
                self._tidy(contexts, users)

    def _tidy(self, contexts: Contexts, users: list[Series]) -> None:
        """Forget sides that no series has, where these are the most."""
        keys = np.concatenate([series.sums.keys for series in users])
        if contexts.crowds(keys):
            moved: Moved = contexts.keep(keys)
            for series in users:
                series.move(moved)

    def _add_own_figures(self) -> None:
        overflow = "Flows that found no room for a series of their own, by metric; they are in no other series"
        self.own.add(Figure("rubin_metrics_overflow_total", "counter", overflow, ("metric",), self._overflows))
        held = "Series that a metric holds"
        self.own.add(Figure("rubin_metrics_series", "gauge", held, ("metric",), self._held))
        expired = "Series that went because nothing was added to them"
        read = one(lambda: self._expired)
        self.own.add(Figure("rubin_metrics_expired_series_total", "counter", expired, (), read))

    def _overflows(self) -> list[tuple[tuple[str, ...], float]]:
        with self._lock:
            return [((series.name,), series.sums.overflowed_flows) for series in self._series()]

    def _held(self) -> list[tuple[tuple[str, ...], float]]:
        with self._lock:
            return [((series.name,), len(series.sums)) for series in self._series()]


def _chosen(batch: FlowBatch, select: Select | None) -> FlowBatch:
    """The flows that a metric is for."""
    if select is None:
        return batch
    chosen = select(batch)
    return batch if chosen.all() else batch.take(np.flatnonzero(chosen))

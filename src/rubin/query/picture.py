"""The map: who talks to whom at a scope, and how it goes, summed over a window of time that moves on.

A flow belongs to the edge from who opened to who was asked, whichever way it goes. One that is seen at both ends counts
once; what only one end can know (drops, retransmits, round trips) counts from each.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.model.batch import Array, FlowBatch
from rubin.model.codes import I64
from rubin.model.enums import Verdict
from rubin.model.exchanges import added
from rubin.model.filter import Filters
from rubin.model.messages import NUMBERS, MessageType
from rubin.query.failing import Waiting, fails
from rubin.query.pairs import Pairs
from rubin.store.ring import Ring

F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SUMS = ("flows", "bytes", "requests", "failed", "forwarded", "dropped", "error", "audit", "retransmits", "rtt_us",
        "rtts", "encrypted", "plain")  # fmt: skip
"""What is summed of an edge; `rtt_us` of so many `rtts`."""
PLACE = {name: at for at, name in enumerate(SUMS)}
BINS = 96
FIRST_NS = 1_000
"""Latencies: up to here reaches the first bin, the last one to 33 s."""
STEP = 1.2
"""From one bin to the next, so that a percentile is told to about a tenth."""

_SLOTS = 60  # of a window, at most: so fine it moves on
_SECOND_NS = 1_000_000_000
_MOST_EDGES = 20_000
_PASSED = (Verdict.FORWARDED, Verdict.REDIRECTED, Verdict.TRACED, Verdict.TRANSLATED)


class Window(NamedTuple):
    """What a picture shows: edges by their numbers, (n, SUMS) sums, (n, BINS) counts of latencies, over how long."""

    edges: I64
    sums: F64
    latencies: F64
    seconds: float


class _Part(NamedTuple):
    """What came in one slot at once."""

    edges: I64
    sums: F64
    cells: I64  # edge * BINS + bin
    counts: F64


class Picture:
    """`take` flows as they come, ask for the `window` at any time; `pairs` has its places and edges by number."""

    def __init__(self, scope: str, window_ns: int | None = 60 * _SECOND_NS) -> None:
        """`window_ns` None: all that is taken is shown. Raises UsageError for a scope that does not exist."""
        self.pairs = Pairs(scope)
        self.window_ns = window_ns
        self.slot_ns = max(_SECOND_NS, (window_ns or 0) // _SLOTS)
        self._slots: list[int] = []  # in order, each with its parts
        self._parts: list[list[_Part]] = []
        self._ended_slot = 0
        self._waiting = Waiting()
        self._sums: F64 = np.zeros((64, len(SUMS)))
        self._latencies: F64 = np.zeros((64, BINS))

    def take_all(self, scan: Callable[[], Iterable[FlowBatch]]) -> None:
        """What is held already, read twice: so it does not matter where it is cut into batches."""
        for batch in scan():
            self.pairs.meet(_stored(batch))
        for batch in scan():
            self.take(batch)

    def take(self, batch: FlowBatch) -> None:
        """More flows, as they are read: an exchange as two. Of two sights of a flow in two batches, that of who asked
        coming first, both count.
        """
        batch = _stored(batch)
        if not len(batch):
            return
        if len(self.pairs.edges) > _MOST_EDGES:
            self._compact()
        edge, once = self.pairs.seen(batch)
        self._room(len(self.pairs.edges))
        if self.window_ns is None:
            self._add(self._part(batch, edge, once, 0))
            return
        slot = batch["time_ns"] // self.slot_ns
        first, last = int(slot.min()), int(slot.max())
        for at in [first] if first == last else np.unique(slot).tolist():
            if at <= self._ended_slot:
                continue  # it came too late to be shown
            rows = slice(None) if first == last else np.flatnonzero(slot == at)
            part = self._part(batch.take(rows).without_lost(), edge[rows], once[rows], at)
            self._add(part)
            self._keep(at, part)

    def window(self, now_ns: int, oldest_ns: int = 0) -> Window:
        """As of now; `oldest_ns`: since when flows are held, 0 where that is long ago."""
        self._expire(now_ns)
        held_ns = max(now_ns - oldest_ns, _SECOND_NS)
        seconds = (held_ns if self.window_ns is None else min(self.window_ns, held_ns)) / 1e9
        sums = self._sums[: len(self.pairs.edges)]
        edges = np.flatnonzero(sums[:, PLACE["flows"]] + sums[:, PLACE["dropped"]])
        found = sums[edges]
        found[:, PLACE["failed"]] += self._waiting.failed(now_ns, len(sums))[edges]
        return Window(edges, found, self._latencies[edges], seconds)

    def _part(self, batch: FlowBatch, edge: I64, once: Mask, slot: int) -> _Part:
        """The sums of the rows of one slot."""
        edges, where = np.unique(edge, return_inverse=True)
        sums = np.zeros((len(edges), len(SUMS)))
        verdict, srtt = batch["verdict"], batch["srtt_us"]
        for name, weights in (
            ("flows", once),
            ("bytes", batch["bytes"] * once),
            ("forwarded", np.isin(verdict, _PASSED) & once),
            ("dropped", verdict == Verdict.DROPPED),
            ("error", verdict == Verdict.ERROR),
            ("audit", verdict == Verdict.AUDIT),
            ("retransmits", batch["retransmits"]),
            ("rtt_us", srtt),
            ("rtts", srtt > 0),
            ("encrypted", batch["encrypted"] == 1),
        ):
            sums[:, PLACE[name]] = np.bincount(where, weights, len(edges))
        said = np.flatnonzero((batch["message"] != 0) & once)
        cells, counts = np.empty(0, np.int64), np.empty(0)
        if len(said):
            messages = batch.tables.messages
            told = messages.rows(batch["message"][said])
            cells, counts = self._said(sums, told, fails(told, messages), where[said], edges)
            self._waiting.take(batch, said, told, edge[said], slot)
        return _Part(edges, sums, cells, counts)

    def _said(self, sums: F64, told: Array, failed: Mask, where: I64, edges: I64) -> tuple[I64, F64]:
        """Puts in what requests and answers say; the cells of their latencies, each once, and how many are in each."""
        kind = told["type"]
        answers = (kind == MessageType.EXCHANGE) | (kind == MessageType.RESPONSE)
        secured = (told["secured"] == 1) | (told["protocol"] == NUMBERS["tls"])
        for name, weights in (
            ("requests", (kind == MessageType.EXCHANGE) | (kind == MessageType.REQUEST)),
            ("failed", answers & failed),
            ("encrypted", secured),
            ("plain", ~secured),
        ):
            sums[:, PLACE[name]] += np.bincount(where, weights, len(edges))
        last = np.zeros(len(edges), np.int64)
        last[where] = told["protocol"]
        for at in np.flatnonzero(last).tolist():
            self.pairs.edges[edges[at]].protocol = int(last[at])
        timed = np.flatnonzero(answers & (told["latency_ns"] > 0))
        cells, counts = np.unique(edges[where[timed]] * BINS + bins(told["latency_ns"][timed]), return_counts=True)
        return cells, counts.astype(np.float64)

    def _add(self, part: _Part, sign: int = 1) -> None:
        self._sums[part.edges] += sign * part.sums
        self._latencies.reshape(-1)[part.cells] += sign * part.counts

    def _keep(self, slot: int, part: _Part) -> None:
        """Note it, to be taken away again when its slot has gone."""
        at = bisect_left(self._slots, slot)
        if at == len(self._slots) or self._slots[at] != slot:
            self._slots.insert(at, slot)
            self._parts.insert(at, [])
        self._parts[at].append(part)

    def _expire(self, now_ns: int) -> None:
        if self.window_ns is None:
            return
        self._ended_slot = max(self._ended_slot, (now_ns - self.window_ns) // self.slot_ns)
        while self._slots and self._slots[0] <= self._ended_slot:
            self._slots.pop(0)
            for part in self._parts.pop(0):
                self._add(part, -1)
        self._waiting.forget(self._ended_slot)

    def _room(self, edges: int) -> None:
        while edges > len(self._sums):
            self._sums = np.concatenate([self._sums, np.zeros_like(self._sums)])
            self._latencies = np.concatenate([self._latencies, np.zeros_like(self._latencies)])

    def _compact(self) -> None:
        """Forget the edges that nothing in the window is about."""
        kept = np.flatnonzero(self._sums.any(axis=1))
        moved = np.full(len(self._sums), -1, np.int64)
        moved[kept] = np.arange(len(kept))
        for parts in self._parts:
            parts[:] = [_moved(part, moved) for part in parts]
        self._waiting.renumber(moved)
        self.pairs.keep(kept)
        self._sums, self._latencies = self._sums[kept], self._latencies[kept]
        if not len(kept):
            self._sums, self._latencies = np.zeros((64, len(SUMS))), np.zeros((64, BINS))


def _moved(part: _Part, moved: I64) -> _Part:
    """The same with the edges' new numbers; what counted for nothing goes."""
    there = moved[part.edges] >= 0
    cells = moved[part.cells // BINS] * BINS + part.cells % BINS
    return _Part(moved[part.edges[there]], part.sums[there], cells, part.counts)


def bins(latency_ns: Array) -> I64:
    """(n,) the bin of each latency."""
    steps = np.log(np.maximum(latency_ns, FIRST_NS) / FIRST_NS) / np.log(STEP)
    found: I64 = np.minimum(steps, BINS - 1).astype(np.int64)
    return found


def percentiles_ns(latencies: F64, share: float) -> F64:
    """(n,) of each row of (n, BINS) counts the latency that this share of them do not exceed; NaN: there are none."""
    reached = np.cumsum(latencies, axis=1)
    total = reached[:, -1]
    if not len(total):
        return np.empty(0)
    target = share * total
    at = np.argmax(reached >= np.maximum(target, 0.5)[:, None], axis=1)
    rows = np.arange(len(at))
    before = reached[rows, at] - latencies[rows, at]
    within = (target - before) / np.maximum(latencies[rows, at], 1)
    found = FIRST_NS * STEP ** (at + np.clip(within, 0, 1))
    return np.where(total > 0, found, np.nan)


def picture_of(
    ring: Ring, scope: str, filters: Filters | None, since_ns: int | None = None, until_ns: int | None = None
) -> Picture:
    """The picture of all that the ring holds of a time; both ends belong to it. Raises UsageError."""
    made = Picture(scope, None)
    scan = partial(ring.scan, since_ns=since_ns, until_ns=until_ns)
    made.take_all(lambda: (chosen(view, filters, since_ns, until_ns) for view in scan()))
    return made


def _stored(batch: FlowBatch) -> FlowBatch:
    """The rows without those that were added for reading."""
    extra = added(batch)
    return batch.take(~extra) if extra.any() else batch


def chosen(view: FlowBatch, filters: Filters | None, since_ns: int | None, until_ns: int | None) -> FlowBatch:
    """The rows of a time that the filters pass; losses stay."""
    mask = np.ones(len(view), np.bool_)
    if since_ns is not None:
        mask &= view["time_ns"] >= since_ns
    if until_ns is not None:
        mask &= view["time_ns"] <= until_ns
    view = view if mask.all() else view.take(mask)
    if filters is None or filters.everything or not len(view):
        return view
    passed = filters.mask(view)
    return view if passed.all() else view.take(passed)

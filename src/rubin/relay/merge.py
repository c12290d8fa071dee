"""Flows of many nodes in, one stream in the order of their times out.

A flow waits until every node that counts has promised to send nothing older. Who keeps the others waiting for longer
than the delay that is allowed does not count any more, until its promise has caught up with what is out; its flows
come late, and are marked so.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rubin.model.batch import FlowBatch, Lost, adopt, concat, empty
from rubin.model.tables import Tables

NEVER = int(np.iinfo(np.int64).min)
OVER = int(np.iinfo(np.int64).max)
_OFTEN_S = 0.25


class Late(NamedTuple):
    """Flows of a node that do not fit into the order any more: `by_ns`, at most, behind what is out already, or ahead
    of the time of all others.
    """

    node: str
    flows: FlowBatch
    by_ns: int


class Merged(NamedTuple):
    """What may go out: in order, and what comes out of it."""

    flows: list[FlowBatch]
    late: list[Late]


@dataclass(slots=True)
class _Held:
    """A batch in the order of time, and since when it waits."""

    flows: FlowBatch
    least_ns: int
    greatest_ns: int
    since_s: float


@dataclass(slots=True)
class _Node:
    """What is known of a node. `is_live`: it has sent all that it held when it was asked."""

    name: str
    spoke_s: float
    held: deque[_Held] = field(default_factory=deque)
    rows: int = 0
    promise_ns: int = NEVER
    counts: bool = True
    is_live: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """`delay_s`: how long a flow waits at most for nodes that are live. `patience_s`: how long for a word of one that
    still sends what it held. `most_rows` wait in all; a node with its share of them is not read (`Merge.is_full`).
    """

    delay_s: float = 1.0
    patience_s: float = 5.0
    most_rows: int = 500_000


class Merge:
    """Nodes join, tell what they have and what they promise, and leave; `take` gives what may go out by then.

    `now_s` is a monotonic time, `now_ns` one of the clock that flows have.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._nodes: dict[int, _Node] = {}
        self._next = 0
        self._tables = Tables()
        self._losses: list[Lost] = []
        self._late: list[Late] = []
        self._took_s = float("inf")
        self.out_ns = NEVER
        """Nothing older goes out in order any more."""

    def join(self, name: str, now_s: float) -> int:
        """The number by which the node is called from now on."""
        self._next += 1
        self._nodes[self._next] = _Node(name, now_s)
        return self._next

    def leave(self, number: int) -> None:
        """Nothing more will come of it; what waits goes out in its turn."""
        node = self._nodes[number]
        node.promise_ns, node.counts = OVER, False
        if not node.held:
            del self._nodes[number]

    def is_full(self, number: int) -> bool:
        """Whether as much of the node waits as may."""
        return self._nodes[number].rows * max(1, len(self._nodes)) >= self._bounds.most_rows

    @property
    def is_live(self) -> bool:
        """Whether all who count have sent what they held when they were asked."""
        return all(node.is_live for node in self._nodes.values() if node.counts)

    def tables(self) -> Tables:
        """What flows had best point into."""
        if self._tables.full:
            self._tables = Tables()
        return self._tables

    def add(self, number: int, flows: FlowBatch, now_s: float, now_ns: int) -> None:
        """What a node has sent; losses go out with what is taken next."""
        node = self._nodes[number]
        node.spoke_s = now_s
        self._losses += flows.lost
        if not len(flows):
            return
        if flows.tables is not self._tables:
            flows = adopt(flows, self.tables())
        flows = in_order(flows.without_lost())
        times = flows["time_ns"]
        start = int(np.searchsorted(times, self.out_ns, "left"))
        end = max(start, int(np.searchsorted(times, now_ns + int(self._bounds.delay_s * 1e9), "right")))
        if start:
            self._late.append(Late(node.name, flows.take(slice(0, start)), self.out_ns - int(times[0])))
        if end < len(flows):
            self._late.append(Late(node.name, flows.take(slice(end, None)), int(times[-1]) - now_ns))
        if start < end:
            due_s = now_s + max(0, int(times[start]) - now_ns) / 1e9  # a clock that is ahead is not the others' fault
            node.held.append(_Held(flows.take(slice(start, end)), int(times[start]), int(times[end - 1]), due_s))
            node.rows += end - start

    def promise(self, number: int, promise_ns: int, is_live: bool, now_s: float) -> None:
        """Nothing older than `promise_ns` will come of the node."""
        node = self._nodes[number]
        node.spoke_s, node.is_live = now_s, node.is_live or is_live
        node.promise_ns = max(node.promise_ns, promise_ns)
        if node.promise_ns != OVER and node.promise_ns >= self.out_ns:
            node.counts = True

    def take(self, now_s: float) -> Merged:
        """What may go out. To be called often: the time in which nobody took is not the nodes' fault."""
        if (pause_s := now_s - self._took_s - _OFTEN_S) > 0:
            for node in self._nodes.values():
                node.spoke_s += pause_s
                for one in node.held:
                    one.since_s += pause_s
        self._took_s = now_s
        until_ns = self._until(now_s)
        parts = [part for node in self._nodes.values() for part in _older(node, until_ns)]
        for number in [number for number, node in self._nodes.items() if node.promise_ns == OVER and not node.held]:
            del self._nodes[number]
        late, self._late = self._late, []
        losses, self._losses = tuple(self._losses), []
        if not parts:
            return Merged([empty(self._tables, losses)] if losses else [], late)
        flows = parts[0] if len(parts) == 1 else in_order(concat(parts))
        self.out_ns = int(flows["time_ns"][-1])
        return Merged([flows.with_lost(losses)], late)

    def _until(self, now_s: float) -> int:
        """The time up to which all is here, or is not waited for."""
        while True:
            waited_for = [node for node in self._nodes.values() if node.counts]
            until_ns = min((node.promise_ns for node in waited_for), default=OVER)
            held = [one for node in self._nodes.values() for one in node.held if one.greatest_ns >= until_ns]
            if not waited_for or not held:
                return until_ns
            last = min(waited_for, key=lambda node: node.promise_ns)
            if last.held and last.rows * len(self._nodes) >= self._bounds.most_rows:
                return max(until_ns, last.held[0].greatest_ns + 1)  # it waits for us: it cannot promise more
            since_s = min(one.since_s for one in held)
            if not last.is_live:
                if now_s - max(since_s, last.spoke_s) < self._bounds.patience_s:
                    return until_ns
            elif now_s - since_s < self._bounds.delay_s:
                return until_ns
            last.counts = False


def _older(node: _Node, until_ns: int) -> Iterator[FlowBatch]:
    """What waits of the node and is older than that, taken away from it."""
    kept: deque[_Held] = deque()
    for one in node.held:
        if one.greatest_ns < until_ns:
            node.rows -= len(one.flows)
            yield one.flows
        elif one.least_ns >= until_ns:
            kept.append(one)
        else:
            times = one.flows["time_ns"]
            end = int(np.searchsorted(times, until_ns, "left"))
            node.rows -= end
            yield one.flows.take(slice(0, end))
            kept.append(_Held(one.flows.take(slice(end, None)), int(times[end]), one.greatest_ns, one.since_s))
    node.held = kept


def in_order(flows: FlowBatch) -> FlowBatch:
    """The flows by time; of one time as they came."""
    times = flows["time_ns"]
    if (times[1:] >= times[:-1]).all():
        return flows
    return flows.take(np.argsort(times, kind="stable"))

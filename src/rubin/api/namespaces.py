"""Which namespaces were seen lately, and how fast flows come: kept up by a look at the ring now and then."""

import time
from collections import deque

import numpy as np

from rubin.model.batch import FlowBatch
from rubin.model.enums import FlowType
from rubin.model.table import Table
from rubin.model.tables import Endpoint, Tables
from rubin.store.cursor import SPAN_ROWS
from rubin.store.ring import Ring

_SIDES = ("source_endpoint", "destination_endpoint")
_KEPT_S = 3600.0
_RATE_S = 60.0


class Namespaces:
    """The (cluster, namespace) pairs of both sides of the flows of the last hour."""

    def __init__(self, ring: Ring) -> None:
        self._ring, self._row = ring, ring.first_row
        self._seen: dict[tuple[str, str], float] = {}
        self._tables: Tables | None = None
        self._numbers = np.empty(0, np.int64)  # code of an endpoint -> index into `_names`
        self._names: list[tuple[str, str]] = []

    def update(self) -> bool:
        """Look at the next span of flows; True when there may be more."""
        first = max(self._row, self._ring.first_row)
        self._row = min(first + SPAN_ROWS, max(first, self._ring.next_row))
        for view in self._ring.scan(first, self._row, as_stored=True):
            self._look(view)
        return self._row > first

    def held(self) -> list[tuple[str, str]]:
        """Sorted by cluster, then namespace; the forgotten ones go."""
        oldest = time.monotonic() - _KEPT_S
        self._seen = {name: seen for name, seen in self._seen.items() if seen >= oldest}
        return sorted(self._seen)

    def _look(self, view: FlowBatch) -> None:
        said = view["flow_type"] == FlowType.L7
        others = view.take(np.flatnonzero(~said)) if said.any() else view
        packets = self._ring.again(others)  # who is named late has packets, and these are few
        codes = np.concatenate([part for side in _SIDES for part in (view[side][said], packets[side])])
        self._learn(view.tables)
        now = time.monotonic()
        for number in np.flatnonzero(np.bincount(self._numbers[codes], minlength=1)):
            name = self._names[number]
            if name[1]:
                self._seen[name] = now

    def _learn(self, tables: Tables) -> None:
        """Number the namespaces of the endpoints that came to the table since the last look."""
        if tables is not self._tables:
            self._tables, self._numbers, self._names = tables, np.empty(0, np.int64), []
        table: Table[Endpoint] = tables.endpoints
        known = len(self._numbers)
        if known < len(table):
            numbers = {name: number for number, name in enumerate(self._names)}
            rows = table.rows[known:]
            new = [numbers.setdefault((row.cluster_name, row.namespace), len(numbers)) for row in rows]
            self._names = list(numbers)
            self._numbers = np.concatenate((self._numbers, np.array(new, np.int64)))


class Rate:
    """Flows per second over the last minute, or over the time since the start while that is less."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._samples: deque[tuple[float, int]] = deque()
        self.sample()

    def sample(self) -> None:
        """To be called about once a second."""
        now = time.monotonic()
        while len(self._samples) > 1 and self._samples[1][0] <= now - _RATE_S:
            self._samples.popleft()
        self._samples.append((now, self._ring.next_row))

    def per_second(self) -> float:
        """0.0 before the first second is over."""
        now = time.monotonic()
        then, rows = self._samples[0]
        return (self._ring.next_row - rows) / (now - then) if now > then else 0.0

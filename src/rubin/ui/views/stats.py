"""How many flows come, how many were lost, whether the server is there: once a second, whatever else is paused."""

import time
from collections import deque

import numpy as np

from rubin.model.enums import Verdict
from rubin.ui.frames import Body, Head, Type
from rubin.ui.views.view import Lens

_RATE_S = 5.0


class Stats:
    """`flows` and `drops` count what the question is about since the view began."""

    every_s = 1.0

    def __init__(self, lens: Lens) -> None:
        self._lens = lens
        self.flows = self.drops = 0
        self._counts: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self._nodes: set[str] = set()

    def prepare(self) -> None:
        """The rate begins with what is held: the first frame tells it, too."""
        now = time.monotonic()
        self._counts = deque([(now - _RATE_S, -self._lens.lately(_RATE_S)), (now, 0)])

    def tick(self) -> Body:
        """As of now."""
        self.count()
        now = time.monotonic()
        self._counts.append((now, self.flows))
        while len(self._counts) > 1 and self._counts[0][0] < now - _RATE_S:
            self._counts.popleft()
        return self.snapshot()

    def count(self) -> None:
        """Take what has come."""
        for batch in self._lens.new():
            self.flows += len(batch)
            self.drops += int((batch["verdict"] == Verdict.DROPPED).sum())
            for code in np.unique(batch["node_name"]).tolist():
                self._nodes.add(batch.tables.strings[code])

    def snapshot(self) -> Body:
        """The same."""
        feed = self._lens.feed
        (first_s, first), (last_s, last) = self._counts[0], self._counts[-1]
        head: Head = {
            "per_second": round((last - first) / (last_s - first_s), 1) if last_s > first_s else 0.0,
            "lost": feed.lost + self._lens.missed,
            "following": feed.state.phase == "following",
            "phase": feed.state.phase,
            "sentence": feed.state.sentence,
            "way_on": feed.state.way_on,
            "nodes": len(self._nodes - {""}),
            "missed": 0,
            "missed_drops": 0,
        }
        return Body(Type.STATS, feed.now_ns() / 1e6, head=head)

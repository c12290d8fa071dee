"""`rubin_tcp_retransmits_total`: segments that local sockets sent again."""

import numpy as np

from rubin.metrics.handlers.setup import Setup
from rubin.metrics.series import Counters
from rubin.model.batch import FlowBatch


class Retransmits:
    """Sums segments."""

    def __init__(self, setup: Setup) -> None:
        family = ("rubin_tcp_retransmits_total", "TCP segments sent again")
        self._segments = Counters([family], (), _values, setup.contexts, setup.room)
        self.series = (self._segments,)

    def observe(self, batch: FlowBatch) -> None:
        """Count a batch."""
        rows = np.flatnonzero(batch["retransmits"])
        if len(rows):
            segments = batch["retransmits"][rows].astype(np.int64)
            self._segments.add(self._segments.contexts.keys(batch)[rows], segments)


def _values(_: int) -> tuple[str, ...]:
    return ()

"""`rubin_tcp_rtt_seconds`: the kernel's smoothed round trip time."""

import numpy as np

from rubin.metrics.handlers.setup import Setup
from rubin.metrics.series import Histogram
from rubin.model.batch import FlowBatch
from rubin.model.enums import Protocol


class RoundTrip:
    """One observation a flow that tells it."""

    def __init__(self, setup: Setup) -> None:
        family = (
            "rubin_tcp_rtt_seconds",
            "The kernel's smoothed round trip time of a connection, as its flows tell it",
        )
        self._durations = Histogram(family, setup.contexts, setup.room)
        self.series = (self._durations,)

    def observe(self, batch: FlowBatch) -> None:
        """Count a batch."""
        rows = np.flatnonzero((batch["srtt_us"] > 0) & (batch["protocol"] == Protocol.TCP))
        if len(rows):
            self._durations.add(self._durations.contexts.keys(batch)[rows], batch["srtt_us"][rows])

"""`rubin_tcp_connect_duration_seconds`: from the first SYN until established, of connections opened here."""

import numpy as np

from rubin.metrics.handlers.setup import Setup
from rubin.metrics.series import Histogram
from rubin.model.batch import FlowBatch
from rubin.model.enums import TCPEvent


class ConnectLatency:
    """One observation a connection."""

    def __init__(self, setup: Setup) -> None:
        family = ("rubin_tcp_connect_duration_seconds", "Time from a connection's first SYN until it was established")
        self._durations = Histogram(family, setup.contexts, setup.room)
        self.series = (self._durations,)

    def observe(self, batch: FlowBatch) -> None:
        """Count a batch."""
        rows = np.flatnonzero((batch["tcp_event"] == TCPEvent.CONNECT) & (batch["connect_latency_us"] > 0))
        if len(rows):
            self._durations.add(self._durations.contexts.keys(batch)[rows], batch["connect_latency_us"][rows])

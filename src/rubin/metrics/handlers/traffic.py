"""`rubin_bytes_total`, `rubin_packets_total`: what moved, each packet counted once (see `metrics/once.py`)."""

import numpy as np

from rubin.metrics.handlers.setup import Setup
from rubin.metrics.once import Once
from rubin.metrics.series import Counters
from rubin.metrics.shapes import PROTOCOLS, protocol
from rubin.model.batch import FlowBatch


class Traffic:
    """Sums layer 3 bytes and packets by protocol."""

    def __init__(self, setup: Setup) -> None:
        families = [
            ("rubin_bytes_total", "Bytes at layer 3, each packet counted at one observation point"),
            ("rubin_packets_total", "Packets, each counted at one observation point"),
        ]
        self._sums = Counters(families, ("protocol",), _values, setup.contexts, setup.room)
        self._once, self._clock = Once(), setup.room.clock
        self.series = (self._sums,)

    def observe(self, batch: FlowBatch) -> None:
        """Count a batch."""
        rows = self._once.rows(batch, int(self._clock()))
        if len(rows):
            keys = self._sums.contexts.keys(batch)[rows] | protocol(batch)[rows]
            self._sums.add(keys, batch["bytes"][rows].astype(np.int64), batch["packets"][rows].astype(np.int64))


def _values(shape: int) -> tuple[str, ...]:
    return (PROTOCOLS[shape],)

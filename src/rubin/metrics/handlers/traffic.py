"""`rubin_bytes_total`, `rubin_packets_total`: what moved, each packet counted once (see `metrics/once.py`)."""

import numpy as np

from rubin.metrics.alike import Amounts
from rubin.metrics.handlers.setup import Setup
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
        self.series = (self._sums,)

    def observe(self, batch: FlowBatch, amounts: Amounts) -> None:
        """Count a batch."""
        rows = np.flatnonzero(amounts.packets)
        if len(rows):
            keys = self._sums.contexts.keys(batch)[rows] | protocol(batch)[rows]
            self._sums.add(keys, amounts.bytes[rows], amounts.packets[rows], flows=amounts.flows[rows])


def _values(shape: int) -> tuple[str, ...]:
    return (PROTOCOLS[shape],)

"""`rubin_tcp_resets_total`: connections of local sockets that ended by a reset."""

import numpy as np

from rubin.metrics.handlers.setup import Setup
from rubin.metrics.series import Counters
from rubin.model.batch import FlowBatch
from rubin.model.enums import TCPEvent


class Resets:
    """Counts connections."""

    def __init__(self, setup: Setup) -> None:
        family = ("rubin_tcp_resets_total", "TCP connections that ended by a reset")
        self._connections = Counters([family], (), _values, setup.contexts, setup.room)
        self.series = (self._connections,)

    def observe(self, batch: FlowBatch) -> None:
        """Count a batch."""
        rows = np.flatnonzero(batch["tcp_event"] == TCPEvent.RESET)
        if len(rows):
            self._connections.count(self._connections.contexts.keys(batch)[rows])


def _values(_: int) -> tuple[str, ...]:
    return ()

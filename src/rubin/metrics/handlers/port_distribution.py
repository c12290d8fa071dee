"""`hubble_port_distribution_total`: which ports are asked for, by flows let through that are no replies."""

import numpy as np

from rubin.metrics.alike import Amounts
from rubin.metrics.handlers.setup import Setup
from rubin.metrics.series import Counters
from rubin.metrics.shapes import PROTOCOLS, passed, protocol
from rubin.model.batch import FlowBatch

_PORT_BITS = 16
_PORTS = np.array([name in ("TCP", "UDP", "SCTP") for name in PROTOCOLS])


class PortDistribution:
    """Counts by protocol and destination port; protocols without ports count as port 0."""

    def __init__(self, setup: Setup) -> None:
        family = ("hubble_port_distribution_total", "Numbers of packets distributed by destination port")
        self._ports = Counters([family], ("protocol", "port"), _values, setup.contexts, setup.room)
        self.series = (self._ports,)

    def observe(self, batch: FlowBatch, amounts: Amounts) -> None:
        """Count a batch."""
        protocols = protocol(batch)
        rows = np.flatnonzero(passed(batch) & (batch["is_reply"] == 0) & (protocols > 0))
        protocols = protocols[rows]
        keys = self._ports.contexts.keys(batch)[rows] | protocols << np.uint64(_PORT_BITS)
        keys |= batch["destination_port"][rows] * _PORTS[protocols]
        self._ports.count(keys, amounts.flows[rows])


def _values(shape: int) -> tuple[str, ...]:
    return PROTOCOLS[shape >> _PORT_BITS], str(shape & (1 << _PORT_BITS) - 1)

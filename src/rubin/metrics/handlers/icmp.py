"""`hubble_icmp_total`: ICMP messages by type."""

import numpy as np

from rubin.metrics.alike import Amounts
from rubin.metrics.handlers.setup import Setup
from rubin.metrics.series import Counters
from rubin.model.batch import FlowBatch
from rubin.model.enums import Protocol
from rubin.model.icmp import text

_V6, _TYPE = np.uint64(16), np.uint64(8)


class ICMP:
    """Counts by family and type, the type in gopacket's words."""

    def __init__(self, setup: Setup) -> None:
        family = ("hubble_icmp_total", "Number of ICMP messages")
        self._messages = Counters([family], ("family", "type"), _values, setup.contexts, setup.room)
        self.series = (self._messages,)

    def observe(self, batch: FlowBatch, amounts: Amounts) -> None:
        """Count a batch."""
        v6 = batch["protocol"] == Protocol.ICMPv6
        rows = np.flatnonzero(v6 | (batch["protocol"] == Protocol.ICMPv4))
        if len(rows):
            keys = self._messages.contexts.keys(batch)[rows] | v6[rows].astype(np.uint64) << _V6
            keys |= batch["icmp_type"][rows].astype(np.uint64) << _TYPE
            self._messages.count(keys | batch["icmp_code"][rows], amounts.flows[rows])


def _values(shape: int) -> tuple[str, ...]:
    v6 = bool(shape >> 16)
    return "IPv6" if v6 else "IPv4", text(v6, shape >> 8 & 255, shape & 255)

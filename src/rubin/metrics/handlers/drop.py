"""`hubble_drop_total`: flows with the verdict DROPPED, by Hubble's reason."""

import numpy as np

from rubin.metrics.alike import Amounts
from rubin.metrics.handlers.setup import Setup
from rubin.metrics.series import Counters
from rubin.metrics.shapes import FLOW_PROTOCOLS, flow_protocol
from rubin.model.batch import FlowBatch
from rubin.model.enums import DropReason, Verdict

_PROTOCOL_BITS = 4
_REASONS = frozenset(DropReason)


class Drop:
    """Counts drops by reason and protocol."""

    def __init__(self, setup: Setup) -> None:
        family = ("hubble_drop_total", "Number of drops")
        self._drops = Counters([family], ("reason", "protocol"), _values, setup.contexts, setup.room, own_last=True)
        self.series = (self._drops,)

    def observe(self, batch: FlowBatch, amounts: Amounts) -> None:
        """Count a batch."""
        rows = np.flatnonzero(batch["verdict"] == Verdict.DROPPED)
        if len(rows):
            reasons = batch["drop_reason"][rows].astype(np.uint64) << np.uint64(_PROTOCOL_BITS)
            keys = self._drops.contexts.keys(batch)[rows] | reasons | flow_protocol(batch)[rows]
            self._drops.count(keys, amounts.flows[rows])


def _values(shape: int) -> tuple[str, ...]:
    reason = shape >> _PROTOCOL_BITS
    word = DropReason(reason).name if reason in _REASONS else str(reason)
    return word, FLOW_PROTOCOLS[shape & (1 << _PROTOCOL_BITS) - 1]

"""`hubble_flows_processed_total`: every flow."""

import numpy as np

from rubin.metrics.alike import Amounts
from rubin.metrics.handlers.setup import Setup
from rubin.metrics.series import Counters
from rubin.metrics.shapes import FLOW_PROTOCOLS, flow_protocol, l7_kind, point_word, verdict_word
from rubin.model.batch import FlowBatch
from rubin.model.enums import EventType

# The shape, from the bottom: verdict 3 bits, protocol 4, what the type is divided by 5, event type 8.
_PROTOCOL, _SUB, _TYPE = (np.uint64(bits) for bits in (3, 7, 12))
_TYPES = {
    EventType.DROP: "Drop",
    EventType.CAPTURE: "Capture",
    EventType.TRACE: "Trace",
    EventType.POLICY_VERDICT: "PolicyVerdict",
    EventType.L7: "L7",
}
_L7 = ("", "DNS", "HTTP")


class Flow:
    """Counts rows by protocol, type, subtype and verdict."""

    def __init__(self, setup: Setup) -> None:
        family = ("hubble_flows_processed_total", "Total number of flows processed")
        labels = ("protocol", "type", "subtype", "verdict")
        self._flows = Counters([family], labels, _values, setup.contexts, setup.room)
        self.series = (self._flows,)

    def observe(self, batch: FlowBatch, amounts: Amounts) -> None:
        """Count a batch."""
        events = batch["event_type"]
        keys = self._flows.contexts.keys(batch) | batch["verdict"] & np.uint8(7)
        keys |= flow_protocol(batch) << _PROTOCOL
        keys |= events.astype(np.uint64) << _TYPE
        points = np.minimum(batch["event_sub_type"], 31) * (events == EventType.TRACE)
        keys |= points.astype(np.uint64) << _SUB
        l7 = np.flatnonzero(events == EventType.L7)
        if len(l7):
            keys[l7] |= l7_kind(batch)[l7] << _SUB
        self._flows.count(keys, amounts.flows)


def _values(shape: int) -> tuple[str, ...]:
    event, sub = shape >> 12, shape >> 7 & 31
    protocol, verdict = FLOW_PROTOCOLS[shape >> 3 & 15], verdict_word(shape & 7)
    if event == EventType.TRACE:
        return protocol, "Trace", point_word(sub), verdict
    if event == EventType.L7:
        return protocol, "L7", _L7[sub], verdict
    if event in _TYPES:
        return protocol, _TYPES[EventType(event)], "", verdict
    return protocol, "Unknown", str(event), verdict

"""`hubble_flows_to_world_total`: flows whose destination is the world, replies left out."""

import numpy as np

from rubin.metrics.alike import Amounts
from rubin.metrics.handlers.setup import Setup
from rubin.metrics.series import Counters
from rubin.metrics.shapes import FLOW_PROTOCOLS, Mask, flow_protocol, protocol, verdict_word
from rubin.metrics.words import is_world
from rubin.model.batch import FlowBatch
from rubin.model.enums import DropReason, Protocol, TCPFlags, Verdict
from rubin.model.lookup import Lookup
from rubin.model.tables import Endpoint

OPTIONS = ("any-drop", "port", "syn-only")
_PROTOCOL, _PORT = np.uint64(3), np.uint64(7)  # below them the verdict; the port's 17 bits tell 0 from none
_WITH_PORTS = (Protocol.TCP, Protocol.UDP, Protocol.SCTP)


class FlowsToWorld:
    """Counts by protocol and verdict, with the option `port` by destination port too."""

    def __init__(self, setup: Setup) -> None:
        self._any_drop, self._syn_only = "any-drop" in setup.options, "syn-only" in setup.options
        self._by_port = "port" in setup.options
        family = ("hubble_flows_to_world_total", "Total number of flows to reserved:world")
        labels = ("protocol", "verdict", "port")[: 3 if self._by_port else 2]
        values = _values_with_port if self._by_port else _values
        self._flows = Counters([family], labels, values, setup.contexts, setup.room)
        self._is_world: Lookup[Endpoint] = Lookup("endpoints", is_world)
        self.series = (self._flows,)

    def observe(self, batch: FlowBatch, amounts: Amounts) -> None:
        """Count a batch."""
        counted = self._is_world(batch.tables)[batch["destination_endpoint"]] > 0
        if not counted.any():
            return
        rows = np.flatnonzero(counted & self._wanted(batch))
        keys = self._flows.contexts.keys(batch)[rows] | batch["verdict"][rows] & np.uint8(7)
        keys |= flow_protocol(batch)[rows] << _PROTOCOL
        if self._by_port:
            has_port = np.isin(batch["protocol"][rows], _WITH_PORTS)
            keys |= (batch["destination_port"][rows].astype(np.uint64) << np.uint64(1) | has_port) << _PORT
        self._flows.count(keys, amounts.flows[rows])

    def _wanted(self, batch: FlowBatch) -> Mask:
        """(n,) bool: rows of a protocol that Hubble knows, no other drops than policy's, and no replies."""
        dropped, reply = batch["verdict"] == Verdict.DROPPED, batch["is_reply"] == 1
        wanted = (protocol(batch) > 0) & (batch["event_type"] > 0) & (dropped | ~reply)
        if not self._any_drop:
            wanted &= ~dropped | (batch["drop_reason"] == DropReason.POLICY_DENIED)
        if self._syn_only:
            wanted &= (batch["tcp_flags"] & TCPFlags.SYN > 0) & (batch["protocol"] == Protocol.TCP) & ~reply
        return np.asarray(wanted, np.bool_)


def _values(shape: int) -> tuple[str, ...]:
    return FLOW_PROTOCOLS[shape >> 3 & 15], verdict_word(shape & 7)


def _values_with_port(shape: int) -> tuple[str, ...]:
    return *_values(shape), str(shape >> 8) if shape >> 7 & 1 else ""

"""`hubble_policy_verdicts_total`: what policies decided, and every flow of a protocol above layer 4."""

import numpy as np

from rubin.metrics.alike import Amounts
from rubin.metrics.handlers.setup import Setup
from rubin.metrics.series import Counters
from rubin.metrics.shapes import l7_kind, verdict_word
from rubin.model.batch import FlowBatch
from rubin.model.enums import Direction, EventType, Identity
from rubin.model.lookup import Lookup
from rubin.model.tables import Endpoint

# PolicyMatchType of Cilium's pkg/monitor/api, in lower case.
_MATCHES = ("none", "l3-only", "l3-l4", "l4-only", "all", "l3-proto", "proto-only", "unknown")
_L7 = len(_MATCHES)
_WORDS = (*_MATCHES, "l7/", "l7/dns", "l7/http")
_VERDICT, _MATCH = np.uint64(2), np.uint64(5)  # below them the direction
_DIRECTIONS = tuple(direction.name.lower() for direction in Direction)


def _is_host(endpoint: Endpoint) -> bool:
    return endpoint.identity == Identity.HOST


class Policy:
    """Counts by direction, match and action; verdicts on the host's own traffic are left out."""

    def __init__(self, setup: Setup) -> None:
        family = ("hubble_policy_verdicts_total", "Total number of Cilium network policy verdicts")
        self._verdicts = Counters([family], ("direction", "match", "action"), _values, setup.contexts, setup.room)
        self._from_host: Lookup[Endpoint] = Lookup("endpoints", _is_host)
        self.series = (self._verdicts,)

    def observe(self, batch: FlowBatch, amounts: Amounts) -> None:
        """Count a batch."""
        events = batch["event_type"]
        l7 = events == EventType.L7
        decided = events == EventType.POLICY_VERDICT
        if not (l7.any() or decided.any()):
            return
        decided &= self._from_host(batch.tables)[batch["source_endpoint"]] == 0
        rows = np.flatnonzero(l7 | decided)
        matches = np.minimum(batch["policy_match_type"][rows], _L7 - 1).astype(np.uint64)
        matches = np.where(l7[rows], l7_kind(batch)[rows] + np.uint64(_L7), matches)
        keys = self._verdicts.contexts.keys(batch)[rows] | matches << _MATCH
        keys |= (batch["verdict"][rows] & np.uint8(7)).astype(np.uint64) << _VERDICT
        keys |= np.minimum(batch["traffic_direction"][rows], np.uint8(2))
        self._verdicts.count(keys, amounts.flows[rows])


def _values(shape: int) -> tuple[str, ...]:
    return _DIRECTIONS[shape & 3], _WORDS[shape >> 5], verdict_word(shape >> 2 & 7).lower()

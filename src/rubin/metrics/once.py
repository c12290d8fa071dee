"""Each packet counted at one observation point only, so that sums of bytes and packets are true.

The same packet may be told of several times: where its local sender's socket sends it (to-stack), on
interfaces that it passes (to-network, to-endpoint, and the from- points), and where the socket of its
local receiver takes it (to-endpoint). It is counted

- at to-stack, always;
- at a receiving socket, where its source is not an address that local sockets send from;
- at an interface it leaves by, where neither its source nor its destination is such an address:
  what this machine forwards between others;
- wherever flows know of no sockets at all (a capture file): it was taken at one place.

Which addresses local sockets send from is learned from the to-stack rows themselves: a packet's own
comes first. Drops and the remaining points are not counted; so what comes in for the host itself is
seen by the socket vantage only.
"""

import numpy as np
import numpy.typing as npt

from rubin.model.batch import FlowBatch
from rubin.model.codes import Codes, mix
from rubin.model.enums import TracePoint, Verdict

U64 = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

_LIMIT = 65_536
_SLOTS = 16_384  # sparse: finding takes half as long as in a table that is half full
_RENEWED_S = 1800  # an address is forgotten when it sent nothing for one to two of these


class Senders:
    """Addresses from which local sockets sent lately."""

    def __init__(self) -> None:
        self._now, self._before = Codes(_SLOTS), Codes()
        self._renewed_s = 0

    def learn(self, addresses: U64, now_s: int) -> None:
        """Note the senders' addresses, mixed."""
        if now_s - self._renewed_s >= _RENEWED_S:
            self._now, self._before, self._renewed_s = Codes(_SLOTS), self._now, now_s
        new = addresses[self._now.find(addresses) < 0]
        if len(new) and len(self._now) < _LIMIT:
            for key in np.unique(new)[: _LIMIT - len(self._now)].tolist():
                self._now.add(key, 0)

    def known(self, addresses: U64) -> Mask:
        """(n,) bool: which of them are senders."""
        known = self._now.find(addresses) >= 0
        if len(self._before):
            known |= self._before.find(addresses) >= 0
        return known


class Once:
    """Picks the rows that are counted."""

    def __init__(self) -> None:
        self._senders = Senders()

    def rows(self, batch: FlowBatch, now_s: int) -> Mask:
        """(n,) bool: the rows whose packets no other row tells of."""
        points = batch["trace_point"]
        moved: Mask = (batch["packets"] > 0) & (batch["verdict"] != Verdict.DROPPED)
        if "socket_cookie" not in batch or not moved.any():  # of what was only said nothing moved
            return moved
        sent = moved & (points == TracePoint.TO_STACK)
        sources = mix(batch["source_high"], batch["source_low"])
        self._senders.learn(sources[sent], now_s)
        counted: Mask = sent.copy()
        arrived = moved & (points == TracePoint.TO_ENDPOINT)
        socket = batch["socket_cookie"] > 0
        self._mark(counted, arrived & socket, sources)
        left = (arrived & ~socket) | (moved & (points == TracePoint.TO_NETWORK))
        if left.any():
            left &= ~self._senders.known(mix(batch["destination_high"], batch["destination_low"]))
            self._mark(counted, left, sources)
        return counted

    def _mark(self, counted: Mask, candidates: Mask, sources: U64) -> None:
        """Count those whose source is no local sender."""
        rows = np.flatnonzero(candidates)
        if len(rows):
            counted[rows[~self._senders.known(sources[rows])]] = True

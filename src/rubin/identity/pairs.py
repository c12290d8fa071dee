"""Connections within this machine: what one end's socket says of its owner is who the other end talks to.

Loopback and the machine's own addresses belong to everybody on it, so an address alone does not tell who
answers. But both sockets are seen here, in one network namespace, and each end's flows have both ports.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from rubin.model.batch import FlowBatch
from rubin.model.codes import mix
from rubin.model.enums import TracePoint
from rubin.model.lookup import Lookup
from rubin.model.points import at_socket
from rubin.model.tables import Process

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

_BITS = 16  # so many ends are known, one a slot: a newer one takes an older one's
_LASTS_NS = 10_000_000_000  # a connection that is used is told of more often; a port may be used again
_SIDES = (("source", "destination"), ("destination", "source"))


class Pairs:
    """Endpoint numbers of ends of connections, by what they are called from the other end."""

    def __init__(self, nobody: int) -> None:
        """`nobody`: the number of a side of which only its address is known."""
        self._nobody = nobody
        self._netns: Lookup[Process] = Lookup("processes", lambda process: process.netns_cookie)
        self._keys: U64 = np.zeros(1 << _BITS, np.uint64)
        self._numbers: I64 = np.zeros(1 << _BITS, np.int64)
        self._times: I64 = np.zeros(1 << _BITS, np.int64)

    def learn(self, batch: FlowBatch, sides: Mapping[str, I64], rows: I64) -> None:
        """Whose sockets these are, also if nobody's. `rows`: both addresses are this machine's."""
        for side, other in _SIDES:
            seen = at_socket(batch, side) & (batch["trace_point"] != TracePoint.UNKNOWN_POINT)
            own = rows[seen[rows]]
            keys = self._keys_of(batch, own, side, other)
            slots = _slots(keys)
            self._keys[slots], self._numbers[slots] = keys, sides[side][own]
            self._times[slots] = batch["time_ns"][own]

    def fill(self, batch: FlowBatch, sides: Mapping[str, I64], rows: I64) -> None:
        """Put the numbers of the ends in that are elsewhere on this machine, where they are known."""
        for side, other in _SIDES:
            far = rows[at_socket(batch, side)[rows] & (sides[other][rows] == self._nobody)]
            keys = self._keys_of(batch, far, other, side)
            slots = _slots(keys)
            recent = np.abs(self._times[slots] - batch["time_ns"][far]) < _LASTS_NS
            known = (self._keys[slots] == keys) & recent
            sides[other][far[known]] = self._numbers[slots[known]]

    def _keys_of(self, batch: FlowBatch, rows: I64, own: str, peer: str) -> U64:
        """(n,) uint64: the end `own` of each connection."""
        names = [f"{side}_{part}" for side in (own, peer) for part in ("high", "low", "port")]
        namespaces = self._netns(batch.tables)[batch["process"][rows]]
        return mix(namespaces, *(batch[name][rows] for name in (*names, "protocol")))


def _slots(keys: U64) -> I64:
    return (keys >> np.uint64(64 - _BITS)).astype(np.int64)

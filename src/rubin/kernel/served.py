"""Who serves a connection that was accepted from a listener which several processes hold.

The handshake runs on the listener, before anybody has accepted; milliseconds later the first packet of
whoever serves tells who it is.
"""

import numpy as np
import numpy.typing as npt

from rubin.kernel.rows import Records
from rubin.model.codes import Codes, mix
from rubin.model.enums import Protocol, TracePoint

I64 = npt.NDArray[np.int64]

_PATIENCE_NS = 20_000_000


def served(records: Records) -> tuple[I64, I64]:
    """Rows of connections that have no process, and for each the row of the same end that has one; -1: none has."""
    nobody = records["pid"] == 0
    unknown = _of_sockets(records, np.flatnonzero(nobody))
    if not len(unknown):
        return unknown, unknown
    known = _of_sockets(records, np.flatnonzero(~nobody))
    distinct, where = np.unique(_connections(records, unknown), return_inverse=True)
    codes = Codes(4 * len(distinct))
    codes.add_all(distinct, np.arange(len(distinct)))
    found = codes.find(_connections(records, known))
    telling = np.full(len(distinct), -1, np.int64)
    telling[found[found >= 0]] = known[found >= 0]  # of several the last: who was handed the socket
    return unknown, telling[where]


def _of_sockets(records: Records, rows: I64) -> I64:
    """Those of the rows that were seen at a socket of TCP."""
    points = records["point"][rows]
    tcp = (records["protocol"][rows] == Protocol.TCP) & (records["socket_cookie"][rows] > 0)
    chosen: I64 = rows[tcp & ((points == TracePoint.TO_STACK) | (points == TracePoint.TO_ENDPOINT))]
    return chosen


def settled(records: Records, now_ns: int) -> int:
    """How many of the records may be decoded: up to a handshake so young that its worker may still tell itself."""
    unknown, telling = served(records)
    young = unknown[(telling < 0) & (records["time_ns"][unknown] > now_ns - _PATIENCE_NS)]
    count = int(young[0]) if len(young) else len(records)
    while len(severed := unknown[(unknown < count) & (telling >= count)]):
        count = int(severed[0])
    return count


def _connections(records: Records, rows: I64) -> npt.NDArray[np.uint64]:
    """(n,) uint64: the same for all rows of one end of a connection, whichever way they go."""
    chosen = records[["source", "destination", "source_port", "destination_port"]][rows]
    out = records["point"][rows] == TracePoint.TO_STACK
    source = *_words(chosen["source"]), chosen["source_port"]
    destination = *_words(chosen["destination"]), chosen["destination_port"]
    local = [np.where(out, one, other) for one, other in zip(source, destination, strict=True)]
    remote = [np.where(out, other, one) for one, other in zip(source, destination, strict=True)]
    return mix(records["netns_cookie"][rows], *local, *remote)


def _words(addresses: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    words = np.ascontiguousarray(addresses).view(np.uint64)
    return words[:, 0], words[:, 1]

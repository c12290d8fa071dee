"""Who serves a connection that was accepted from a listener which several processes hold."""

from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.kernel.rows import Records
from rubin.model.codes import Codes, mix
from rubin.model.enums import Protocol, TracePoint


def served(records: Records, words: Records, processes: npt.NDArray[Any]) -> None:
    """Give rows without a process the one that another row of their connection has.

    The handshake runs on the listener, before anybody has accepted; milliseconds later the first packet
    of whoever serves tells who it is, mostly in the same batch. `processes` (n,) are codes, written to.
    """
    points = records["point"]
    tcp = (records["protocol"] == Protocol.TCP) & (records["socket_cookie"] > 0)
    tcp &= (points == TracePoint.TO_STACK) | (points == TracePoint.TO_ENDPOINT)
    nobody = records["pid"] == 0
    unknown = np.flatnonzero(tcp & nobody)
    if not len(unknown):
        return
    known = np.flatnonzero(tcp & ~nobody)
    wanted = _connections(records, words, unknown)
    distinct, where = np.unique(wanted, return_inverse=True)
    codes = Codes(4 * len(distinct))
    codes.add_all(distinct, np.arange(len(distinct)))
    found = codes.find(_connections(records, words, known))
    owners = np.zeros(len(distinct), processes.dtype)
    owners[found[found >= 0]] = processes[known[found >= 0]]  # of several the last: who was handed the socket
    answers = owners[where]
    processes[unknown[answers > 0]] = answers[answers > 0]


def _connections(records: Records, words: Records, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """(n,) uint64: the same for all rows of one end of a connection, whichever way they go."""
    out = records["point"][rows] == TracePoint.TO_STACK
    source = words["source_high"][rows], words["source_low"][rows], records["source_port"][rows]
    destination = words["destination_high"][rows], words["destination_low"][rows], records["destination_port"][rows]
    local = [np.where(out, one, other) for one, other in zip(source, destination, strict=True)]
    remote = [np.where(out, other, one) for one, other in zip(source, destination, strict=True)]
    return mix(records["netns_cookie"][rows], *local, *remote)

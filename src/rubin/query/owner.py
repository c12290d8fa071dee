"""Whose sockets they were: what the held flows say of a process, also when it has gone."""

from typing import NamedTuple

import numpy as np

from rubin.model.batch import FlowBatch
from rubin.model.points import at_socket
from rubin.model.tables import Endpoint, Process
from rubin.store.ring import Ring


class Owner(NamedTuple):
    """A process, who it was, and when a flow of its sockets was seen last (ns since the epoch)."""

    process: Process
    endpoint: Endpoint
    time_ns: int


def owner(ring: Ring, pid: int, time_ns: int) -> Owner | None:
    """The process that had the number `pid` at a time, by its last flow until then; None where none is held."""
    for view in ring.scan(newest_first=True, until_ns=time_ns, as_stored=True):
        row = _last(view, pid, time_ns)
        if row is not None:
            return _owner(ring.again(row).take(slice(-1, None)))
    return None


def _last(view: FlowBatch, pid: int, time_ns: int) -> FlowBatch | None:
    """The last flow of the process's sockets until then."""
    codes = [code for code, process in enumerate(view.tables.processes.rows) if process.pid == pid]
    times = view["time_ns"]
    rows = np.flatnonzero(np.isin(view["process"], codes) & (times <= time_ns)) if codes else ()
    if not len(rows):
        return None
    row = rows[np.argmax(times[rows])]
    return view.take(slice(row, row + 1))


def _owner(flow: FlowBatch) -> Owner:
    side = "source" if at_socket(flow, "source")[0] else "destination"
    (process,), (endpoint,) = flow.rows("process"), flow.rows(f"{side}_endpoint")
    return Owner(process, endpoint, int(flow["time_ns"][0]))

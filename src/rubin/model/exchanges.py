"""A stored exchange as the two flows that Hubble has: the request's and the response's."""

import numpy as np
import numpy.typing as npt

from rubin.model.batch import Array, FlowBatch
from rubin.model.messages import Mask, MessageType, asks

SIDES = tuple((f"source_{part}", f"destination_{part}") for part in ("high", "low", "port", "endpoint"))
"""The columns that change places when a flow is turned round."""
_OF_REQUEST = np.uint64(1 << 61)  # of `uuid_low`; UUIDs as they come from the kernel room have it not


def expanded(batch: FlowBatch) -> FlowBatch:
    """The batch with a row of the request before each row that stands for an exchange; losses stay.

    A stored exchange goes against the opener (`is_reply` 1), has the time of the response and a message of type
    EXCHANGE. The request's row goes the other way, earlier by the latency, with the same message and a UUID of its
    own, each time the same. Not to be done twice.
    """
    exchanges, latency_ns = _exchanges(batch)
    if not len(exchanges):
        return batch
    counts = np.ones(len(batch), np.int64)
    counts[exchanges] = 2
    made = batch.take(np.repeat(np.arange(len(batch)), counts))
    requests = exchanges + np.arange(len(exchanges))
    columns = {name: made[name].copy() for name in ("time_ns", "is_reply", "uuid_low", *sum(SIDES, ()))}
    for source, destination in SIDES:
        columns[source][requests] = batch[destination][exchanges]
        columns[destination][requests] = batch[source][exchanges]
    columns["is_reply"][requests] = 0
    columns["time_ns"][requests] -= np.minimum(latency_ns, batch["time_ns"][exchanges])
    columns["uuid_low"][requests] ^= _OF_REQUEST * (columns["uuid_low"][requests] != 0)
    if "source_xlated" in batch:
        columns["source_xlated"] = made["source_xlated"].copy()
        columns["source_xlated"][requests] = 0
    return made.with_columns(**columns)


def earliest_ns(batch: FlowBatch) -> int:
    """The least time of a batch's flows, those of its requests included; the batch has rows."""
    times = batch["time_ns"]
    exchanges, latency_ns = _exchanges(batch)
    least = int(times.min())
    return min(least, int((times[exchanges] - latency_ns).min())) if len(exchanges) else least


def added(batch: FlowBatch) -> Mask:
    """(n,) bool: the rows that `expanded` has put in."""
    rows = _said(batch)
    found = np.zeros(len(batch), np.bool_)
    found[rows] = asks(batch.tables.messages.rows(batch["message"][rows]), batch["is_reply"][rows])
    return found


def _said(batch: FlowBatch) -> npt.NDArray[np.intp]:
    """The rows that have a message."""
    return np.flatnonzero(batch["message"]) if "message" in batch else np.empty(0, np.intp)


def _exchanges(batch: FlowBatch) -> tuple[npt.NDArray[np.intp], Array]:
    """The rows that stand for an exchange, and their latencies."""
    rows = _said(batch)
    rows = rows[batch["is_reply"][rows] == 1] if len(rows) else rows
    codes, messages = batch["message"][rows], batch.tables.messages
    exchange = np.flatnonzero(messages.column("type", codes) == MessageType.EXCHANGE)
    return rows[exchange], messages.column("latency_ns", codes[exchange]).astype(np.int64)

"""Where a flow was seen: at whose socket."""

import numpy as np
import numpy.typing as npt

from rubin.model.batch import FlowBatch
from rubin.model.enums import Direction, TracePoint

Mask = npt.NDArray[np.bool_]

# The point at which a side's socket sees a packet; a drop has no point, but a direction.
_SOCKETS = {
    "source": (TracePoint.TO_STACK, Direction.EGRESS),
    "destination": (TracePoint.TO_ENDPOINT, Direction.INGRESS),
}


def at_socket(batch: FlowBatch, side: str) -> Mask:
    """(n,) bool: rows seen at the socket of this side."""
    point, way = _SOCKETS[side]
    points = batch["trace_point"]
    at_drop = (points == TracePoint.UNKNOWN_POINT) & (batch["traffic_direction"] == way)
    return np.asarray((points == point) | at_drop, np.bool_)

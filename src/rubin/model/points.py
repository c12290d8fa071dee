"""Where a flow was seen: at whose socket."""

import numpy as np
import numpy.typing as npt

from rubin.model.batch import FlowBatch
from rubin.model.enums import Direction, TracePoint

Mask = npt.NDArray[np.bool_]

# The point at which a side's socket sees a packet; a drop or a message has no point, but a direction: the packet's
# where the opener is not known, else the connection's, which an answer goes against.
_SOCKETS = {
    "source": (TracePoint.TO_STACK, Direction.EGRESS),
    "destination": (TracePoint.TO_ENDPOINT, Direction.INGRESS),
}


def at_socket(batch: FlowBatch, side: str) -> Mask:
    """(n,) bool: rows seen at the socket of this side."""
    point, way = _SOCKETS[side]
    points = batch["trace_point"]
    found: Mask = points == point
    pointless = np.flatnonzero(points == TracePoint.UNKNOWN_POINT)
    if len(pointless):
        ways = batch["traffic_direction"][pointless]
        found[pointless] = np.where(batch["is_reply"][pointless] == 1, ways ^ 3, ways) == way
    return found

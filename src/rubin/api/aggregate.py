"""Flows that agree in the chosen fields as one, with how often they came: `fieldAggregate` of an export."""

import time
from collections.abc import Iterator, Sequence

from rubin.model.batch import FlowBatch
from rubin.model.enums import Direction
from rubin.wire.flows import FlowEncoder
from rubin.wire.pb.observer_pb2 import GetFlowsResponse

_COUNTS = {
    Direction.INGRESS: "ingress_flow_count",
    Direction.EGRESS: "egress_flow_count",
    Direction.TRAFFIC_DIRECTION_UNKNOWN: "unknown_direction_flow_count",
}
_MOST_KEYS = 100_000


class Aggregate:
    """Gathers flows for an interval; `take` gives one response for each distinct one, and begins anew."""

    def __init__(self, fields: Sequence[str], interval_s: float, server_version: str) -> None:
        self._encoder = FlowEncoder(fields, server_version)
        self._interval_s = interval_s
        self._begun = time.monotonic()
        self._counts: dict[bytes, list[int]] = {}

    def add(self, batch: FlowBatch) -> None:
        """Count the batch's flows."""
        directions = batch["traffic_direction"].tolist()
        at = 0
        for part in self._encoder.encode(batch):
            for message in _split(part):
                self._counts.setdefault(message, [0, 0, 0])[directions[at] if directions[at] < 3 else 0] += 1
                at += 1

    @property
    def due(self) -> bool:
        """Whether the interval is over, or more came than it may hold."""
        return time.monotonic() >= self._begun + self._interval_s or len(self._counts) > _MOST_KEYS

    def take(self, node_name: str) -> list[GetFlowsResponse]:
        """What was gathered, as of now."""
        counts, self._counts, self._begun = self._counts, {}, time.monotonic()
        return [_response(message, count, node_name) for message, count in counts.items()]


def _split(framed: bytes) -> Iterator[bytes]:
    """The messages without their five-byte heads."""
    at = 0
    while at < len(framed):
        end = at + 5 + int.from_bytes(framed[at + 1 : at + 5], "big")
        yield framed[at + 5 : end]
        at = end


def _response(message: bytes, counts: list[int], node_name: str) -> GetFlowsResponse:
    response = GetFlowsResponse.FromString(message)
    for direction, field in _COUNTS.items():
        setattr(response.flow.aggregate, field, counts[direction])
    response.node_name = node_name
    response.time.FromNanoseconds(time.time_ns())
    return response

"""JSON lines of flows, as `hubble observe -o jsonpb` prints them and exporters write them."""

from collections.abc import Iterator

from rubin.model.batch import FlowBatch
from rubin.wire.flows import FlowEncoder, lost_response
from rubin.wire.protojson import quoted, text

__all__ = ["lines", "quoted", "text"]


def lines(batch: FlowBatch, encoder: FlowEncoder) -> Iterator[str]:
    """One `GetFlowsResponse` per loss, then per flow, without newlines; the mask is the encoder's."""
    for lost in batch.lost:
        yield text(lost_response(lost))
    yield from map(text, encoder.responses(batch))

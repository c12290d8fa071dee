"""Batches as Hubble's messages with their gRPC heads."""

import struct
from collections.abc import Iterable

from rubin import __version__
from rubin.model.batch import FlowBatch
from rubin.wire.flows import FlowEncoder, lost_response
from rubin.wire.pb.observer_pb2 import GetFlowsResponse

_ENCODERS = 4


class Encoders:
    """The encoders of the last field masks: one remembers what it encoded."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], FlowEncoder] = {}

    def of(self, paths: Iterable[str]) -> FlowEncoder:
        """That of a field mask."""
        mask = tuple(paths)
        encoder = self._kept.pop(mask, None) or FlowEncoder(mask or None, __version__)
        self._kept[mask] = encoder
        if len(self._kept) > _ENCODERS:
            del self._kept[next(iter(self._kept))]
        return encoder


def messages(encoder: FlowEncoder, batch: FlowBatch) -> bytes:
    """The batch's losses and then its flows."""
    parts = [framed(lost_response(lost)) for lost in batch.lost] + encoder.encode(batch)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def framed(message: GetFlowsResponse) -> bytes:
    """One message."""
    encoded = message.SerializeToString()
    return struct.pack(">BI", 0, len(encoded)) + encoded

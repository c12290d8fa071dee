"""`hubble_sctp_chunk_types_total`: the first chunk of SCTP packets that were let through."""

import numpy as np

from rubin.metrics.alike import Amounts
from rubin.metrics.handlers.setup import Setup
from rubin.metrics.series import Counters
from rubin.metrics.shapes import family_word, passed
from rubin.model.batch import FlowBatch
from rubin.model.enums import Protocol, SCTPChunk

_CHUNK = 2  # below it the family
_CHUNKS = frozenset(SCTPChunk)


class SCTP:
    """Counts by chunk type and family."""

    def __init__(self, setup: Setup) -> None:
        family = ("hubble_sctp_chunk_types_total", "SCTP chunk type occurrences")
        self._chunks = Counters([family], ("chunk_type", "family"), _values, setup.contexts, setup.room)
        self.series = (self._chunks,)

    def observe(self, batch: FlowBatch, amounts: Amounts) -> None:
        """Count a batch."""
        chunks, versions = batch["sctp_chunk_type"], batch["ip_version"]
        known = (batch["protocol"] == Protocol.SCTP) & (chunks != SCTPChunk.UNSUPPORTED) & (versions > 0)
        rows = np.flatnonzero(known & passed(batch))
        if len(rows):
            keys = self._chunks.contexts.keys(batch)[rows] | versions[rows] & np.uint8(3)
            self._chunks.count(keys | chunks[rows].astype(np.uint64) << np.uint64(_CHUNK), amounts.flows[rows])


def _values(shape: int) -> tuple[str, ...]:
    chunk = shape >> _CHUNK
    return SCTPChunk(chunk).name if chunk in _CHUNKS else str(chunk), family_word(shape & 3)

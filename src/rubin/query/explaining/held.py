"""What the ring holds at one moment. An explanation looks through it several times, and is of one state."""

from rubin.model.batch import FlowBatch
from rubin.query.said import named
from rubin.store.ring import Ring


class Held:
    """`views` of the rows as stored, the oldest segment first; none is empty."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self.views: tuple[FlowBatch, ...] = tuple(view for view in ring.scan(as_stored=True) if len(view))

    @property
    def flows(self) -> int:
        """How many they are."""
        return sum(map(len, self.views))

    def named(self, batch: FlowBatch) -> FlowBatch:
        """These rows with the names that are known by now."""
        return named(self._ring, batch)

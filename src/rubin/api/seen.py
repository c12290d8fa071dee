"""A ring as somebody sees it who may not see everything."""

from collections.abc import Iterator

import numpy as np

from rubin.api.sight import Sight
from rubin.model.batch import FlowBatch
from rubin.query.said import named
from rubin.store.ring import Ring


class SeenRing(Ring):
    """For those who look through a ring by `scan`, and nothing else."""

    def __init__(self, ring: Ring, sight: Sight) -> None:
        super().__init__(ring.capacity, ring.note_missed, ring.again)
        self._whole, self._sight = ring, sight

    def scan(
        self,
        first_row: int | None = None,
        end_row: int | None = None,
        newest_first: bool = False,
        since_ns: int | None = None,
        until_ns: int | None = None,
        as_stored: bool = False,
    ) -> Iterator[FlowBatch]:
        """As a ring's; what is hidden is left out of the views."""
        for view in self._whole.scan(first_row, end_row, newest_first, since_ns, until_ns, as_stored):
            if as_stored and len(view):  # by the names that are known by now, as it is shown
                yield view.take(np.flatnonzero(self._sight.mask(named(self._whole, view))))
            else:
                yield self._sight.narrowed(view)


def seen(ring: Ring, sight: Sight) -> Ring:
    """The ring itself for who sees everything."""
    return ring if sight.is_all else SeenRing(ring, sight)

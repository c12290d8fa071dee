"""The last flows in memory, in segments: append at one end, forget at the other, read in between."""

from bisect import bisect_left
from collections.abc import Callable, Iterator

from rubin.model.batch import FlowBatch, Lost, empty
from rubin.model.exchanges import earliest_ns
from rubin.store.segment import Blocks, Segment

_MOST_LOSSES = 10_000


class Ring:
    """Holds the newest `capacity` flows. Rows are numbered from 0 for as long as the ring lives.

    One thread appends; any thread scans without a lock, because sealed segments never change and
    the open one is published by its row count.
    """

    def __init__(
        self,
        capacity: int = 1_000_000,
        on_missed: Callable[[Lost], None] = lambda _: None,
        again: Callable[[FlowBatch], FlowBatch] = lambda view: view,
    ) -> None:
        """`on_missed` hears, on any thread, what slow readers say that they missed (`note_missed`).

        Each view that is read goes through `again`, which may know more of its rows than when they came, and may make
        several of one; a row's last is the row itself.
        """
        self.capacity = capacity
        self.note_missed, self.again = on_missed, again
        self.next_row = 0
        self._segments: tuple[Segment, ...] = ()
        self._blocks = Blocks()
        self._losses: tuple[tuple[int, Lost], ...] = ()  # (the row that followed the loss, loss), in order
        self._wakes: tuple[Callable[[], None], ...] = ()

    @property
    def first_row(self) -> int:
        """The oldest row still held."""
        return max(self.next_row - self.capacity, self._segments[0].first_row if self._segments else 0)

    @property
    def held_flows(self) -> int:
        """How many flows are held."""
        return self.next_row - self.first_row

    def append(self, batch: FlowBatch) -> None:
        """Take the batch's flows and losses, forget what no longer fits, wake the subscribers."""
        for lost in batch.lost:
            self._note(lost)
        start = 0
        while start < len(batch):
            segment = self._open(batch)
            end = min(len(batch), start + segment.room)
            segment.append(batch.take(slice(start, end)))
            self.next_row = segment.end_row
            start = end
        self._wake()

    def note_lost(self, lost: Lost) -> None:
        """A loss that came with no batch."""
        self._note(lost)
        self._wake()

    def scan(
        self,
        first_row: int | None = None,
        end_row: int | None = None,
        newest_first: bool = False,
        since_ns: int | None = None,
        until_ns: int | None = None,
        as_stored: bool = False,
    ) -> Iterator[FlowBatch]:
        """Views of the rows from `first_row` to before `end_row`, a segment at a time.

        Rows stay in order within a view, whichever way the segments go. With a time given, segments
        that lie wholly outside it are left out; the rows of the others are the caller's to mask.
        Oldest first, each view carries the losses noted before one of its rows; a scan to the end
        (`end_row` None) ends with an empty batch that carries those noted after the last row. `as_stored`: rows as
        they came, one for each number; `again` may tell more of some.
        """
        segments, end = self._segments, self.next_row if end_row is None else end_row
        first = max(self.first_row, first_row or 0)
        for segment in reversed(segments) if newest_first else segments:
            start, stop = max(first, segment.first_row), min(end, segment.end_row)
            if start >= stop or not _overlaps(segment, since_ns, until_ns):
                continue
            view = segment.view(start, stop, () if newest_first else self._lost_between(start, stop))
            yield view if as_stored else self.again(view)
        if end_row is None and not newest_first and (lost := self._lost_between(max(end, first), None)):
            yield empty(lost=lost)

    def earliest_ns(self, first_row: int, end_row: int) -> int | None:
        """The least time of the flows from `first_row` to before `end_row`; None where there are none."""
        found = [
            segment.least_ns
            if start == segment.first_row and end == segment.end_row
            else earliest_ns(segment.view(start, end))
            for segment in self._segments
            if (start := max(first_row, segment.first_row)) < (end := min(end_row, segment.end_row))
        ]
        return min(found, default=None)

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have `wake` called on the writer's thread after each append; returns how to end that."""
        self._wakes = (*self._wakes, wake)

        def unsubscribe() -> None:
            self._wakes = tuple(other for other in self._wakes if other is not wake)

        return unsubscribe

    def close(self) -> None:
        """Forget everything; views that are out stay valid."""
        self._segments = ()

    def _open(self, batch: FlowBatch) -> Segment:
        """The segment to append to: another one where the last is full or has other tables."""
        last = self._segments[-1] if self._segments else None
        if last is not None and last.room and last.tables is batch.tables:
            return last
        oldest = self.next_row + 1 - self.capacity
        self._segments = tuple(held for held in self._segments if held.end_row > oldest)  # their memory first
        segment = Segment(self.next_row, batch.tables, self._blocks)
        self._segments = (*self._segments, segment)
        return segment

    def _note(self, lost: Lost) -> None:
        held = bisect_left(self._losses, self.first_row, key=lambda noted: noted[0])
        self._losses = (*self._losses[held:][-_MOST_LOSSES:], (self.next_row, lost))

    def _lost_between(self, first: int, end: int | None) -> tuple[Lost, ...]:
        losses = self._losses
        start = bisect_left(losses, first, key=lambda noted: noted[0])
        stop = len(losses) if end is None else bisect_left(losses, end, key=lambda noted: noted[0])
        return tuple(lost for _, lost in losses[start:stop])

    def _wake(self) -> None:
        for wake in self._wakes:
            wake()


def _overlaps(segment: Segment, since_ns: int | None, until_ns: int | None) -> bool:
    late = until_ns is not None and segment.least_ns > until_ns
    early = since_ns is not None and segment.greatest_ns < since_ns
    return not late and not early

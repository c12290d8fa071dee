"""A reader's place in the ring: every row once, in order, and how many were overwritten before it came."""

from rubin.model.batch import FlowBatch, Lost
from rubin.store.ring import Ring

SPAN_ROWS = 32_768


class Cursor:
    """Reads a ring from row `row` on, a span at a time, so that a slow reader holds no more than a span.

    `overtaken` counts the rows that the writer had overwritten before they were read; who reads
    reports them and takes them away with `take_overtaken`.
    """

    def __init__(self, ring: Ring, row: int) -> None:
        self.row = row
        self.overtaken = 0
        self._ring = ring
        self._told: tuple[Lost, ...] = ()  # noted before `row`, which did not exist then, and handed out

    def read(self, end_row: int | None = None, most_rows: int = SPAN_ROWS) -> list[FlowBatch]:
        """The next rows, at most `most_rows` and none from `end_row` on; [] when there is nothing new.

        These are counted as stored: `Ring.again` may make more of them. The views carry the losses noted at their
        rows. A reader that has reached the newest row gets losses noted since in a batch without flows.
        """
        while True:
            newest = self._ring.next_row if end_row is None else end_row
            self._skip_to(min(self._ring.first_row, newest))
            if self.row >= newest:
                return self.losses_at_end() if end_row is None else []
            if views := self._span(min(self.row + most_rows, newest)):
                return views

    def take_overtaken(self) -> int:
        """Rows that were overwritten unread since the last call."""
        overtaken, self.overtaken = self.overtaken, 0
        return overtaken

    def _skip_to(self, row: int) -> None:
        self.overtaken += max(0, row - self.row)
        self.row = max(self.row, row)

    def _span(self, end: int) -> list[FlowBatch]:
        views = [self._untold(view) for view in self._ring.scan(self.row, end, as_stored=True)]
        # A scan's rows are contiguous up to `end`: what the writer took meanwhile was at the front.
        self.overtaken += end - self.row - sum(map(len, views))
        self.row = end
        self._told = ()
        return list(map(self._ring.again, views))

    def losses_at_end(self) -> list[FlowBatch]:
        """Losses that no row follows yet; nothing where a row came meanwhile: the next read has both."""
        views = list(self._ring.scan(self.row, as_stored=True))
        if any(map(len, views)):
            return []
        noted = [view for view in map(self._untold, views) if view.lost]
        self._told += tuple(lost for view in noted for lost in view.lost)
        return noted

    def _untold(self, view: FlowBatch) -> FlowBatch:
        if not self._told or not view.lost:
            return view
        told = {id(lost) for lost in self._told}
        return view.with_lost(tuple(lost for lost in view.lost if id(lost) not in told))

"""A run of flows as columns in one block of memory, written once from front to back."""

import mmap
import weakref

import numpy as np
import numpy.typing as npt

from rubin.model.batch import Array, FlowBatch, Lost
from rubin.model.columns import COLUMNS, DTYPES, ROW_BYTES
from rubin.model.exchanges import earliest_ns
from rubin.model.tables import Tables

Bytes = npt.NDArray[np.uint8]

ROWS = 32_768  # the ring holds up to one segment more than its capacity, 3 % of the default
_BYTES = ROW_BYTES * ROWS
# One call for all pages: page by page, the faults would cost more than the copying (measured: 50 ns a row, not 28).
_MEMORY = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE


class Blocks:
    """Memory for segments: a block comes back when nobody sees into it any more, and is used again.

    New pages would cost twice what the copying of the flows does. One block is kept at most.
    """

    def __init__(self) -> None:
        self._free: list[mmap.mmap] = []

    def take(self) -> Bytes:
        """(_BYTES,) uint8 with what they last held; taken as long as this array or a view of it lives."""
        memory = self._free.pop() if self._free else mmap.mmap(-1, _BYTES, _MEMORY)
        block = np.frombuffer(memory, np.uint8)
        weakref.finalize(block, self._give_back, memory).atexit = False
        return block

    def _give_back(self, memory: mmap.mmap) -> None:
        if not self._free:
            self._free.append(memory)


class Segment:
    """`rows` flows of one `Tables`, numbered from `first_row`.

    One thread appends, any thread reads: a row is written before `rows` counts it and never changes
    after.
    """

    def __init__(self, first_row: int, tables: Tables, blocks: Blocks) -> None:
        self.first_row = first_row
        self.tables = tables
        self.rows = 0
        self.least_ns = np.iinfo(np.int64).max
        self.greatest_ns = 0
        self._columns = _carve(blocks.take())

    @property
    def end_row(self) -> int:
        """The number of the row after the last."""
        return self.first_row + self.rows

    @property
    def room(self) -> int:
        """How many rows still fit."""
        return ROWS - self.rows

    def append(self, batch: FlowBatch) -> None:
        """Copy the batch's rows behind the last one; the caller has seen to the room."""
        start, end = self.rows, self.rows + len(batch)
        for name, column in self._columns.items():
            column[start:end] = batch[name] if name in batch else COLUMNS[name].missing
        self.least_ns = min(self.least_ns, earliest_ns(batch))
        self.greatest_ns = max(self.greatest_ns, int(batch["time_ns"].max()))
        self.rows = end

    def view(self, first_row: int, end_row: int, lost: tuple[Lost, ...] = ()) -> FlowBatch:
        """The rows numbered `first_row` to before `end_row`, without a copy."""
        part = slice(first_row - self.first_row, end_row - self.first_row)
        return FlowBatch({name: column[part] for name, column in self._columns.items()}, self.tables, lost)


def _carve(block: Bytes) -> dict[str, Array]:
    """One array per column, the widest first so that all are aligned."""
    columns, offset = {}, 0
    for name in sorted(DTYPES, key=lambda name: -DTYPES[name].itemsize):
        size = ROWS * DTYPES[name].itemsize
        columns[name] = block[offset : offset + size].view(DTYPES[name])
        offset += size
    return columns

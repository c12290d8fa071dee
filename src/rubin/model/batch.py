"""FlowBatch: many flows, one numpy array per column. The one noun that moves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.model.columns import COLUMNS, DTYPES
from rubin.model.enums import LostSource
from rubin.model.tables import Tables

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Lost:
    """Events that are missing from the flows: where, how many, between when; `cpu` -1: not known.

    `time_ns` is when the loss was noticed. `place` is ours and finer than Hubble's source.
    """

    source: LostSource
    events: int
    time_ns: int
    first_ns: int = 0
    last_ns: int = 0
    cpu: int = -1
    node_name: str = ""
    place: str = ""


class FlowBatch:
    """Columns of equal length, the tables they point into, and what was lost on the way.

    `batch["verdict"]` is the array of a column; a column that the source does not know reads as
    its missing value. Arrays are not written to once a batch is handed on.
    """

    __slots__ = ("_columns", "_length", "lost", "tables")

    def __init__(self, columns: Mapping[str, Array], tables: Tables, lost: tuple[Lost, ...] = ()) -> None:
        self._columns = {name: np.asarray(array, DTYPES[name]) for name, array in columns.items()}
        lengths = {len(array) for array in self._columns.values()}
        if len(lengths) > 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")
        self._length = lengths.pop() if lengths else 0
        self.tables = tables
        self.lost = lost

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, name: str) -> Array:
        array = self._columns.get(name)
        if array is None:
            column = COLUMNS[name]  # KeyError: no such column
            array = np.broadcast_to(np.array(column.missing, column.dtype), self._length)
        return array

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def names(self) -> Iterable[str]:
        """The columns that are there, in no particular order."""
        return self._columns.keys()

    def with_columns(self, **columns: Array) -> "FlowBatch":
        """A new batch with these columns added or replaced; the rest is shared."""
        return FlowBatch({**self._columns, **columns}, self.tables, self.lost)

    def take(self, rows: Array | slice) -> "FlowBatch":
        """The rows chosen by a mask, an index array or a slice (a view, then); losses stay."""
        return FlowBatch({name: array[rows] for name, array in self._columns.items()}, self.tables, self.lost)

    def without_lost(self) -> "FlowBatch":
        """The same flows without the note of what was lost."""
        return FlowBatch(self._columns, self.tables) if self.lost else self

    def with_lost(self, lost: tuple[Lost, ...]) -> "FlowBatch":
        """The same flows with these losses."""
        return FlowBatch(self._columns, self.tables, lost)

    def rows(self, name: str) -> list[Any]:
        """What a code column points to, row by row; for few rows (printing)."""
        table = self.tables[COLUMNS[name].table]
        return [table[int(code)] for code in self[name]]


def empty(tables: Tables | None = None, lost: tuple[Lost, ...] = ()) -> FlowBatch:
    """A batch without flows."""
    return FlowBatch({}, tables or Tables(), lost)


def adopt(batch: FlowBatch, tables: Tables) -> FlowBatch:
    """The same flows with their codes pointing into other tables."""
    if batch.tables is tables:
        return batch
    columns = {name: batch[name] for name in batch.names()}
    for name in list(columns):
        if not COLUMNS[name].table:
            continue
        of = columns[name]
        used = np.zeros(int(of.max(initial=0)) + 1, np.bool_)
        used[of] = True
        codes = np.flatnonzero(used).astype(np.uint32)
        moved = np.zeros(len(used), np.uint32)
        moved[codes] = _moved(codes, COLUMNS[name].table, batch.tables, tables)
        columns[name] = moved[of]
    return FlowBatch(columns, tables, batch.lost)


def _moved(codes: Array, table: str, source: Tables, target: Tables) -> Array:
    """The codes, in order and distinct, that rows of one table have in another."""
    if table != "messages":
        of: Any = source[table]  # of the same kind as the target
        return target[table].codes(of.read(codes))
    moved, said = codes.copy(), np.flatnonzero(codes)
    moved[said] = target.messages.append(target.messages.moved(source.messages.rows(codes[said]), source.messages))
    return moved


def concat(batches: Iterable[FlowBatch]) -> FlowBatch:
    """One batch of all rows in order, in the tables of the first; losses joined."""
    parts = list(batches)
    if not parts:
        return empty()
    tables = parts[0].tables
    parts = [adopt(part, tables) for part in parts]
    names = {name for part in parts for name in part.names()}
    columns = {
        name: np.concatenate([part[name] for part in parts if len(part)] or [np.empty(0, DTYPES[name])])
        for name in names
    }
    return FlowBatch(columns, tables, tuple(lost for part in parts for lost in part.lost))

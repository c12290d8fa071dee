"""A table of a batch as an array: a number for each of its rows, worked out once a row."""

from collections.abc import Callable
from operator import attrgetter
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from rubin.model.tables import Tables

Row = TypeVar("Row")
U64 = npt.NDArray[np.uint64]


class Lookup(Generic[Row]):
    """`lookup(tables)[batch[column]]`: a number for each row of a table, of every `Tables` that comes along.

    A table of the messages' is named as `messages.dns`. What was worked out for old tables goes with them.
    """

    def __init__(self, table: str, number: Callable[[Row], int]) -> None:
        self._table = attrgetter(table)
        self._number = number
        self._known: WeakKeyDictionary[Tables, U64] = WeakKeyDictionary()

    def __call__(self, tables: Tables) -> U64:
        """(rows of the table,) uint64."""
        known = self._known.get(tables)
        rows: list[Row] = self._table(tables).rows
        if known is None or len(known) < len(rows):
            start = 0 if known is None else len(known)
            new = np.array([self._number(row) for row in rows[start:]], np.uint64)
            known = new if known is None else np.concatenate([known, new])
            self._known[tables] = known
        return known

    def clear(self) -> None:
        """Work everything out again."""
        self._known.clear()

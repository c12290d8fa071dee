"""Distinct rows by index; row 0 is "nothing"."""

from collections.abc import Iterable
from threading import Lock
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

Row = TypeVar("Row")


class Table(Generic[Row]):
    """Only grows; `code` gives the index of a row, adding it where it is new."""

    def __init__(self, nothing: Row) -> None:
        self.rows: list[Row] = [nothing]
        self._codes: dict[Row, int] | None = {nothing: 0}
        self._adding = Lock()

    def begin(self, rows: Iterable[Row]) -> None:
        """The first rows, from 1 on; where one is there twice, the last is that which is found."""
        self.rows += rows
        self._codes = None  # most tables of a frame are read and never added to

    def code(self, row: Row) -> int:
        """The index of `row`."""
        code = self._known().get(row)
        return self._add(row) if code is None else code

    def _known(self) -> dict[Row, int]:
        known = self._codes
        if known is None:
            with self._adding:
                self._codes = known = {row: code for code, row in enumerate(self.rows)}
        return known

    def codes(self, rows: Iterable[Row]) -> npt.NDArray[np.uint32]:
        """(n,) the index of each row."""
        return np.fromiter(map(self.code, rows), np.uint32)

    def _add(self, row: Row) -> int:
        known = self._known()
        with self._adding:  # the line adds what comes, readers what they know better
            code = known.get(row)
            if code is None:
                code = len(self.rows)
                self.rows.append(row)  # the row stands before anyone can learn its index
                known[row] = code
        return code

    def read(self, codes: npt.NDArray[np.integer]) -> list[Row]:
        """The rows with these indices."""
        rows = self.rows
        return [rows[code] for code in codes.tolist()]

    def __getitem__(self, code: int) -> Row:
        return self.rows[code]

    def __len__(self) -> int:
        return len(self.rows)

"""Which fields of a row are taken as they came, because `Contents.rest` has them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.model.tables import Tables
from rubin.wire.pb import flow_pb2
from rubin.wire.varint import fields

_NAMES = {field.number: field.name for field in flow_pb2.Flow.DESCRIPTOR.fields}


class Skips:
    """Numbers the distinct sets of such fields. `sets[0]` is empty: most rows have no rest."""

    def __init__(self, tables: Tables) -> None:
        self._contents = tables.contents
        self._codes: dict[frozenset[str], int] = {frozenset(): 0}
        self.sets: list[frozenset[str]] = [frozenset()]
        self._of = np.zeros(1, np.uint32)

    def codes(self, contents: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
        """(n,) the number of each row's set."""
        rows, known = self._contents.rows, len(self._of)
        if len(rows) > known:
            more = [self._code(row.rest) if row.rest else 0 for row in rows[known:]]
            self._of = np.concatenate([self._of, np.array(more, np.uint32)])
        found: npt.NDArray[np.uint32] = self._of[contents]
        return found

    def _code(self, rest: bytes) -> int:
        names = frozenset(_NAMES[number] for number, _, _ in fields(rest) if number in _NAMES)
        code = self._codes.setdefault(names, len(self.sets))
        if code == len(self.sets):
            self.sets.append(names)
        return code

    def of(self, contents: int) -> frozenset[str]:
        """The set of one row of contents that `codes` has seen."""
        return self.sets[int(self._of[contents])]

    def have(self, name: str, codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
        """(n,) bool: which rows have this field in their rest."""
        return np.array([name in names for names in self.sets])[codes]

"""Codes for keys out of records: a whole column at once, Python for new keys only."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.model.codes import Codes

U64 = npt.NDArray[np.uint64]
Records = npt.NDArray[Any]


class Rows:
    """Codes by key; `code(record)` gives that of a key that was never seen, usually a row of a table."""

    def __init__(self, code: Callable[[Any], int]) -> None:
        self._code = code
        self._codes = Codes()

    def codes(self, keys: U64, records: Records) -> npt.NDArray[np.int64]:
        """(n,) int64: the code of each key (none may be 0); `records` are what the keys were made of."""
        codes = self._codes.find(keys)
        if not len(codes) or codes.min() >= 0:
            return codes
        new = np.flatnonzero(codes < 0)
        _, first = np.unique(keys[new], return_index=True)
        for row in new[first].tolist():
            self._codes.add(int(keys[row]), self._code(records[row]))
        codes[new] = self._codes.find(keys[new])
        return codes

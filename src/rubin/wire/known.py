"""Encoded pieces, kept by the combination of columns that they were made for."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.model.codes import Codes, mix

Array = npt.NDArray[Any]

_SEED = int.from_bytes(os.urandom(8), "little")  # so that nobody can choose flows whose keys agree


def record(kinds: dict[str, str]) -> np.dtype[np.void]:
    """A dtype of these fields, filled up to whole 8-byte words."""
    spare = -np.dtype(list(kinds.items())).itemsize % 8
    return np.dtype([*kinds.items(), *([("spare", f"V{spare}")] if spare else [])])


class Known(ABC):
    """Pieces by 64-bit keys of their records. `pieces[code]` is bytes, `inside[code]` how many of them
    belong to the flow (the rest to the response around it), `lengths[code]` all of them.
    """

    LIMIT = 32_768
    """Pieces kept; then all go and it begins anew."""

    def __init__(self, kind: np.dtype[np.void]) -> None:
        self._kind = kind
        self._names = [name for name in kind.names or () if name != "spare"]
        self._clear()

    def _clear(self) -> None:
        self._codes = Codes(1 << (2 * self.LIMIT - 1).bit_length())
        self.pieces: Array = np.empty(2048, object)
        self.lengths = np.zeros(2048, np.int64)
        self.inside = np.zeros(2048, np.int64)

    @abstractmethod
    def _make(self, *record: Any) -> tuple[bytes, bytes]:
        """A new record's bytes inside the flow, and those around it."""

    def codes(self, columns: Mapping[str, Array]) -> npt.NDArray[np.int64]:
        """(n,) the code of each row's piece."""
        records = np.zeros(len(columns[self._names[0]]), self._kind)
        for name in self._names:
            records[name] = columns[name]
        words = records.view(np.uint64).reshape(len(records), -1)
        keys = mix(np.full(len(records), _SEED, np.uint64), *words.T)
        codes = self._codes.find(keys)
        new = np.flatnonzero(codes < 0)
        if not len(new):
            return codes
        if len(self._codes) + len(new) > self.LIMIT:
            self._clear()
            new = np.arange(len(records))
        distinct, first = np.unique(keys[new], return_index=True)
        for key, made_of in zip(distinct.tolist(), records[new[first]][self._names].tolist(), strict=True):
            self._add(key, *self._make(*made_of))
        return self._codes.find(keys)

    def _add(self, key: int, inside: bytes, outside: bytes) -> None:
        code = len(self._codes)
        if code == len(self.pieces):
            self.pieces = np.concatenate([self.pieces, np.empty(code, object)])
            self.lengths = np.concatenate([self.lengths, np.zeros(code, np.int64)])
            self.inside = np.concatenate([self.inside, np.zeros(code, np.int64)])
        self.pieces[code] = inside + outside
        self.lengths[code] = len(inside) + len(outside)
        self.inside[code] = len(inside)
        self._codes.add(key, code)

"""Keys to codes, a whole column at once: a hash table in numpy."""

from itertools import repeat

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

_PHI = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_SHIFT, _ODD = np.uint64(29), np.uint64(1)


def mix(*columns: npt.NDArray[np.generic]) -> U64:
    """(n,) uint64: one well-spread key per row out of integer columns; never 0.

    Two different rows share a key with a probability of 2^-64 each pair.
    """
    rows = len(columns[0])
    key = np.full(1, _MIX, np.uint64)
    for column in columns:
        if len(key) == rows:
            key ^= column.astype(np.uint64, copy=False)
        elif column.any():
            key = key ^ column.astype(np.uint64, copy=False)
        # else: one key for all rows as yet, as of the upper halves of IPv4's addresses
        key *= _PHI
        key ^= key >> _SHIFT
    key |= _ODD
    return key if len(key) == rows else np.full(rows, key[0], np.uint64)


class Codes:
    """A growing map from uint64 keys (not 0) to codes >= 0.

    A key is at its slot, or at the other one of the pair, or, rarely, in a dictionary: so a column costs some twenty
    calls of numpy, however keys collide.
    """

    def __init__(self, size: int = 1024) -> None:
        """With some `size` slots; three eighths of them are filled at most."""
        self._resize(1 << max(3, (size - 1).bit_length()))

    def _resize(self, size: int) -> None:
        self._shift = np.uint64(64 - (size - 1).bit_length())
        self._keys: U64 = np.zeros(size, np.uint64)
        self._codes: I64 = np.full(size, -1, np.int64)
        self._elsewhere: dict[int, int] = {}
        self._used = 0

    def __len__(self) -> int:
        return self._used

    @property
    def memory_bytes(self) -> int:
        """Of the slots."""
        return self._keys.nbytes + self._codes.nbytes

    def find(self, keys: U64) -> I64:
        """(n,) int64: the code of each key, -1 where the key is new."""
        slots = self._slots(keys)
        codes: I64 = self._codes.take(slots)
        rest = np.flatnonzero(self._keys.take(slots) != keys)
        if len(rest):
            codes[rest] = self._second(keys.take(rest), slots.take(rest) ^ 1)
        return codes

    def _second(self, keys: U64, slots: I64) -> I64:
        """Codes of keys that are not where they are mostly."""
        codes: I64 = self._codes.take(slots)
        rest = np.flatnonzero(self._keys.take(slots) != keys)
        if len(rest):
            there = map(self._elsewhere.get, keys.take(rest).tolist(), repeat(-1)) if self._elsewhere else repeat(-1)
            codes[rest] = np.fromiter(there, np.int64, len(rest))
        return codes

    def _slots(self, keys: U64) -> I64:
        slots = keys * _PHI
        slots >>= self._shift
        return slots.view(np.int64)

    def add(self, key: int, code: int) -> None:
        """Note a key that `find` did not know."""
        self.add_all(np.array([key], np.uint64), np.array([code]))

    def add_all(self, keys: U64, codes: I64) -> None:
        """Note distinct keys that `find` did not know."""
        if 8 * (self._used + len(keys)) >= 3 * len(self._keys):
            self._grow(self._used + len(keys))
        self._used += len(keys)
        slots = self._slots(keys)
        for _ in range(2):
            free = self._keys[slots] == 0
            self._keys[slots[free]] = keys[free]  # of several that want a slot the last has it
            placed = self._keys[slots] == keys
            self._codes[slots[placed]] = codes[placed]
            keys, codes, slots = keys[~placed], codes[~placed], slots[~placed] ^ 1
        self._elsewhere.update(zip(keys.tolist(), codes.tolist(), strict=True))

    def _grow(self, used: int) -> None:
        there, elsewhere, size = self._keys != 0, self._elsewhere, len(self._keys)
        keys = np.concatenate([self._keys[there], np.fromiter(elsewhere.keys(), np.uint64, len(elsewhere))])
        codes = np.concatenate([self._codes[there], np.fromiter(elsewhere.values(), np.int64, len(elsewhere))])
        while 3 * size <= 8 * used:
            size *= 2
        self._resize(size)
        self.add_all(keys, codes)

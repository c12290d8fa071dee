"""Keys to codes, a whole column at once: an open-addressing hash table in numpy."""

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

_PHI = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


def mix(*columns: npt.NDArray[np.generic]) -> U64:
    """(n,) uint64: one well-spread key per row out of integer columns; never 0.

    Two different rows share a key with a probability of 2^-64 each pair.
    """
    key = np.full(len(columns[0]), _MIX, np.uint64)
    for column in columns:
        key ^= column.astype(np.uint64, copy=False)
        key *= _PHI
        key ^= key >> np.uint64(29)
    return key | np.uint64(1)


class Codes:
    """A growing map from uint64 keys (not 0) to codes >= 0."""

    def __init__(self, size: int = 1024) -> None:
        """With room for some `size` slots; half of them are filled at most."""
        self._resize(1 << max(3, (size - 1).bit_length()))

    def _resize(self, size: int) -> None:
        self._shift = np.uint64(64 - (size - 1).bit_length())
        self._keys: U64 = np.zeros(size, np.uint64)
        self._codes: I64 = np.full(size, -1, np.int64)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    @property
    def memory_bytes(self) -> int:
        """Of the slots."""
        return self._keys.nbytes + self._codes.nbytes

    def find(self, keys: U64) -> I64:
        """(n,) int64: the code of each key, -1 where the key is new."""
        size = len(self._keys)
        slots = ((keys * _PHI) >> self._shift).astype(np.int64)
        there, codes = self._keys[slots], self._codes[slots]
        rest = np.flatnonzero(there != keys)
        codes[rest] = -1
        rest = rest[there[rest] != 0]
        while len(rest):
            slots[rest] = (slots[rest] + 1) & (size - 1)
            there = self._keys[slots[rest]]
            found = there == keys[rest]
            codes[rest[found]] = self._codes[slots[rest[found]]]
            rest = rest[~found & (there != 0)]
        return codes

    def add(self, key: int, code: int) -> None:
        """Note a key that `find` did not know."""
        if 2 * self._used >= len(self._keys):
            self._grow(self._used + 1)
        slot = ((key * int(_PHI)) & 0xFFFFFFFFFFFFFFFF) >> int(self._shift)
        while self._keys[slot]:
            slot = (slot + 1) & (len(self._keys) - 1)
        self._keys[slot] = key
        self._codes[slot] = code
        self._used += 1

    def add_all(self, keys: U64, codes: I64) -> None:
        """Note distinct keys that `find` did not know."""
        if 2 * (self._used + len(keys)) >= len(self._keys):
            self._grow(self._used + len(keys))
        slots = ((keys * _PHI) >> self._shift).astype(np.int64)
        left = np.arange(len(keys))
        while len(left):
            free = left[self._keys[slots[left]] == 0]
            _, first = np.unique(slots[free], return_index=True)  # of several that want a slot, one has it
            placed = free[first]
            self._keys[slots[placed]] = keys[placed]
            self._codes[slots[placed]] = codes[placed]
            left = left[self._keys[slots[left]] != keys[left]]
            slots[left] = (slots[left] + 1) & (len(self._keys) - 1)
        self._used += len(keys)

    def _grow(self, used: int) -> None:
        there = self._keys != 0
        keys, codes, size = self._keys[there], self._codes[there], len(self._keys)
        while size <= 2 * used:
            size *= 4
        self._resize(size)
        self.add_all(keys, codes)

"""Sums by key: the one store of all counters and histograms."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.metrics.contexts import Moved, crowded
from rubin.model.codes import Codes

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

_ROWS = 64  # room to begin with; it doubles


class Cells(NamedTuple):
    """A copy of what is counted at one moment: (s,) keys and (s, width) sums."""

    keys: U64
    sums: I64


class Sums:
    """(s,) keys with (s, width) sums each; never more than `limit`: what comes after is counted, not kept.

    A column may as well hold the last of something, which is `put` there.
    """

    def __init__(self, width: int, limit: int) -> None:
        self._width, self._limit = width, limit
        self.overflowed_flows = 0
        self._hold(np.zeros(0, np.uint64), np.zeros((0, width), np.int64), np.zeros(0, np.int64))

    def _hold(self, keys: U64, sums: I64, seen_s: I64) -> None:
        """Hold these and nothing else."""
        self._held = len(keys)
        self._index = Codes(max(1024, 4 * self._held))
        self._index.add_all(keys, np.arange(self._held))
        self._keys, self._sums, self._seen_s = keys, sums, seen_s
        self._make_room(_ROWS)

    def _make_room(self, rows: int) -> None:
        """Room for so many more rows."""
        more = self._held + rows - len(self._keys)
        if more > 0:
            more = max(more, self._held)
            self._keys = np.concatenate([self._keys, np.zeros(more, np.uint64)])
            self._sums = np.concatenate([self._sums, np.zeros((more, self._width), np.int64)])
            self._seen_s = np.concatenate([self._seen_s, np.zeros(more, np.int64)])

    def __len__(self) -> int:
        return self._held

    @property
    def keys(self) -> U64:
        """(s,) uint64, in the order in which they came."""
        return self._keys[: self._held]

    def places(self, keys: U64, now_s: int, flows: I64 | None = None) -> tuple[I64, npt.NDArray[np.bool_] | slice]:
        """Where to `add` for these keys, and which of them have a place; the flows of the others, one each where it is
        not said, are counted as overflow.
        """
        at = self._index.find(keys)
        if at.min(initial=0) < 0:
            new = np.unique(keys[at < 0])
            kept = new[~crowded(new)][: max(self._limit - self._held, 0)]
            self._make_room(len(kept))
            self._keys[self._held : self._held + len(kept)] = kept
            self._index.add_all(kept, np.arange(self._held, self._held + len(kept)))
            self._held += len(kept)
            at = self._index.find(keys)
        placed: npt.NDArray[np.bool_] | slice = slice(None)
        if at.min(initial=0) < 0:
            placed = at >= 0
            at = at[placed]
            self.overflowed_flows += len(keys) - len(at) if flows is None else int(flows[~placed].sum())
        self._seen_s[at] = now_s
        return at, placed

    def add(self, at: I64, columns: int | I64, amounts: int | I64) -> None:
        """Add to the sums at these places; a column of its own for each, or one for all."""
        np.add.at(self._sums.reshape(-1), at * self._width + columns, amounts)

    def put(self, at: I64, columns: int | I64, values: I64) -> None:
        """Put values in place of what stands there; of several for one place the last stays."""
        self._sums.reshape(-1)[at * self._width + columns] = values

    def put_all(self, columns: slice, values: I64) -> None:
        """Put (s, c) values into these columns of every key."""
        self._sums[: self._held, columns] = values

    def copy(self) -> Cells:
        """What is counted now."""
        return Cells(self.keys.copy(), self._sums[: self._held].copy())

    @property
    def full(self) -> bool:
        """True where new series find no room."""
        return self._held >= self._limit

    def drop_before(self, before_s: int) -> int:
        """Forget what was not added to since; how many that were."""
        return self._keep(self._seen_s[: self._held] >= before_s)

    def drop(self, keys: U64, before_s: int) -> int:
        """Forget these keys unless they were added to since; how many that were."""
        return self._keep(~np.isin(self.keys, keys) | (self._seen_s[: self._held] >= before_s))

    def _keep(self, kept: npt.NDArray[np.bool_]) -> int:
        gone = int(len(kept) - kept.sum())
        if gone:
            rows = np.flatnonzero(kept)
            self._hold(self._keys[rows], self._sums[rows], self._seen_s[rows])
        return gone

    def move(self, moved: Moved | Callable[[U64], U64]) -> None:
        """Call the keys by their new names."""
        self._hold(moved(self.keys), self._sums[: self._held], self._seen_s[: self._held])

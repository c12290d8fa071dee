"""Requests that nobody has answered yet: a table, joined with the answers as they come."""

import numpy as np
import numpy.typing as npt

from rubin.dissect.segments import I64, U64, Mask
from rubin.model.batch import Array
from rubin.model.messages import ROW, Messages
from rubin.model.whole import chosen, joined, whole

_WHOLE = np.dtype((np.void, ROW.itemsize))
_MEMBERS = (
    ("key", "<u8", 0),  # what an answer has in common with its request
    ("connection", "<i8", 8),
    ("started_ns", "<i8", 16),
    ("told", "u1", 24),  # as one that waits
    ("row", ROW, 32),  # what is known of the message
    ("whole_row", _WHOLE, 32),  # the same in one piece
)
_NAMES, _FORMATS, _OFFSETS = (list(column) for column in zip(*_MEMBERS, strict=True))
_DTYPE = np.dtype({"names": _NAMES, "formats": _FORMATS, "offsets": _OFFSETS, "itemsize": 32 + ROW.itemsize})


class Waiting:
    """Rows in the order in which they came; `MOST` at a time, of more the oldest are forgotten and counted."""

    MOST = 65_536

    def __init__(self) -> None:
        self.rows: Array = np.zeros(0, _DTYPE)
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, key: U64, connection: I64, started_ns: I64, row: Array) -> None:
        """More requests, in order."""
        more = np.zeros(len(key), _DTYPE)
        more["key"], more["connection"], more["started_ns"] = key, connection, started_ns
        more["whole_row"] = whole(row)
        self.rows = joined(self.rows, more)
        if len(self.rows) > self.MOST:
            self.forgotten += len(self.rows) - self.MOST
            self.rows = self.rows[-self.MOST :]

    def of(self, rows: Array) -> Array:
        """What is known of the messages of such rows, copied."""
        found: Array = np.array(rows["whole_row"]).view(ROW)
        return found

    def find(self, key: U64) -> I64:
        """(n,) the place of the oldest row with this key, each answer its own; -1: there is none."""
        if not len(self.rows) or not len(key):
            return np.full(len(key), -1, np.int64)
        order = np.argsort(self.rows["key"], kind="stable")
        ordered = self.rows["key"][order]
        at = np.searchsorted(ordered, key)
        hit = ordered[np.minimum(at, len(ordered) - 1)] == key
        found = np.where(hit, order[np.minimum(at, len(ordered) - 1)], -1)
        first = np.empty(len(self.rows) + 1, np.int64)  # the last place is for those that have none
        first[found[::-1]] = np.arange(len(key))[::-1]  # of several the last one written stays
        return np.where(first[found] == np.arange(len(key)), found, -1)

    def take(self, places: I64) -> Array:
        """These rows, which wait no more."""
        taken = chosen(self.rows, places)
        left = np.ones(len(self.rows), np.bool_)
        left[places] = False
        self.rows = chosen(self.rows, left)
        return taken

    def overdue(self, before_ns: int) -> Mask:
        """(n,) bool: who has waited since before this time, and has not been told."""
        found: Mask = (self.rows["started_ns"] < before_ns) & (self.rows["told"] == 0)
        return found

    def drop(self, which: npt.NDArray[np.bool_]) -> int:
        """Forget these; how many they were."""
        if which.any():
            self.rows = chosen(self.rows, ~which)
        return int(which.sum())

    def move(self, old: Messages, new: Messages) -> None:
        """Go on with the codes of another table."""
        self.rows["whole_row"] = whole(new.moved(self.of(self.rows), old))

"""What is said, as the programs leave it: slots in lanes, one lane a processor, mapped and read in place by numpy.

A lane is a part of one array map, mapped twice in a row, so that any run of its slots is one piece of memory. All
lanes lie in one stretch of addresses, so that slots of several are rows of one array. On x86 plain loads and one
aligned 8-byte store keep the order.
"""

import mmap
import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.kernel.maps import Map
from rubin.kernel.ring import Mapping, Signal

I64 = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

HEADER_BYTES = 8
"""Of a slot, before its record."""
LANE = np.dtype({"names": ["given", "taken"], "formats": ["<i8", "<i8"], "offsets": [0, 64], "itemsize": 128})
"""struct lane of bpf/slots.h; a test compares the two through BTF."""
MOST_LANES = 16
LEAST_SLOTS = 256
"""Of a lane."""
_ALL = 1 << 62


def shape(slots: int) -> tuple[int, int]:
    """(lanes, slots of each) of so many slots, a power of two: a lane a processor, where each still has room."""
    lanes = min(os.cpu_count() or 1, MOST_LANES, slots // LEAST_SLOTS)
    lanes = 1 << lanes.bit_length() - 1
    return lanes, slots // lanes


@dataclass(frozen=True, slots=True)
class Slots:
    """Records that were written: the `rows` of `records`, as they came, those of several lanes by their times."""

    records: Array  # all there are, in place
    rows: I64

    def __len__(self) -> int:
        return len(self.rows)


class Lanes:
    """The reader of the lanes of one map; there can be only one. Records are `dtype` and have a `time_ns`."""

    def __init__(self, slots: Map, lanes: Map, signal: Map, dtype: np.dtype[np.void], count: int) -> None:
        """Raises OSError where something cannot be mapped."""
        slot = np.dtype([("turn", "<i8"), ("record", dtype)])
        self._each = slots.max_entries // count
        length = self._each * slot.itemsize
        places = [(lane * length, length) for lane in range(count) for _ in range(2)]
        self._readable = Mapping.joined(slots.fd, places)
        self._slots = self._readable.array(slot, 2 * slots.max_entries)
        self._writable = Mapping(lanes.fd, 0, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE)
        self._lanes = self._writable.array(LANE, count)
        self._signal = Signal(signal)
        self._peeked = np.zeros(count, np.int64)

    @property
    def fd(self) -> int:
        """What becomes readable when a lane is half full, once each time: of interest at its edge only."""
        return self._signal.fd

    @property
    def pending(self) -> int:
        """Slots that have been given and not taken out."""
        return int((self._lanes["given"] - self._lanes["taken"]).sum())

    @property
    def fill(self) -> float:
        """How full the fullest is, 0 to 1."""
        return float((self._lanes["given"] - self._lanes["taken"]).max()) / self._each

    @property
    def slots_read(self) -> int:
        """Slots ever taken out, those given up by their writer included."""
        return int(self._lanes["taken"].sum())

    def peek(self, most: int = _ALL, until_ns: int = _ALL) -> Slots:
        """About so many records in place, of up to that time, the oldest first; valid until `advance`.

        Those of a lane end at the first slot that is still being written. What came while we looked is left for the
        next time: an answer may be seen in one lane where its question was not yet, in another.
        """
        self._signal.clear()
        now_ns = min(time.monotonic_ns(), until_ns)
        given, taken = self._lanes["given"].copy(), self._lanes["taken"].copy()
        runs = [self._written(lane, int(taken[lane]), int(given[lane])) for lane in range(len(given))]
        times = [self._slots["record"]["time_ns"][rows].view(np.int64) for rows in runs]
        if sum(map(len, runs)) > most:
            now_ns = min(now_ns, int(np.partition(np.concatenate(times), most - 1)[most - 1]))
        for lane, when in enumerate(times):
            late = when > now_ns
            self._peeked[lane] = int(late.argmax()) if late.any() else len(when)
        rows = np.concatenate([run[:count] for run, count in zip(runs, self._peeked.tolist(), strict=True)])
        if np.count_nonzero(self._peeked) > 1:
            when = np.concatenate([one[:count] for one, count in zip(times, self._peeked.tolist(), strict=True)])
            rows = rows[np.argsort(when, kind="stable")]
        records = self._slots["record"]
        given_up = records["tag"][rows] == 0
        return Slots(records, rows[~given_up] if given_up.any() else rows)

    def _written(self, lane: int, taken: int, given: int) -> I64:
        """The rows of a lane that are to be read, up to the first that is not written yet."""
        first = 2 * lane * self._each + taken % self._each
        count = given - taken
        odd = self._slots["turn"][first : first + count] != np.arange(taken + 1, given + 1)
        return np.arange(first, first + (int(odd.argmax()) if odd.any() else count))

    def advance(self) -> None:
        """Give the slots of the last `peek` back to the programs; nobody may look at them any more."""
        self._lanes["taken"] += self._peeked
        self._peeked[:] = 0

    def close(self) -> None:
        """Unmap. Records still held by the caller must be copies."""
        self._readable.close()
        self._writable.close()
        self._signal.close()

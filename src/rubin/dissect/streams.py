"""Which places of TCP streams are the beginnings of messages: many streams at once, packets in any order."""

import numpy as np
import numpy.typing as npt

from rubin.dissect.segments import I64, Mask

I32 = npt.NDArray[np.int32]
_FAR = np.int64(1) << 34
_NEVER = -(np.int64(1) << 33)
_ROUNDS = 8


def real(group: I64, start: I64, end: I64, candidate: Mask, known: I64) -> tuple[Mask, I64]:
    """Which candidates do not lie inside a message that began before them, and (n,) where that one ended.

    Rows are sorted by group, a stream, and by `start`, their place in it; `end` is where the message ends that a
    candidate would begin; `known` where the last message known from before ends, `NEVER` where there is none.
    """
    first = np.flatnonzero(np.diff(group, prepend=-1))
    offset = np.zeros(len(group), np.int64)
    offset[first] = 1
    offset = np.cumsum(offset) * _FAR
    valid = candidate.copy()
    for _ in range(_ROUNDS):
        ends = np.where(valid, end, _NEVER) + offset
        before = np.empty(len(group), np.int64)
        before[1:] = ends[:-1]
        before[first] = known[first] + offset[first]
        reached = np.maximum.accumulate(before) - offset
        again = candidate & (start >= reached)
        if np.array_equal(again, valid):
            break
        valid = again
    return valid, reached


NEVER = int(_NEVER)

"""The kernel's monotonic clock against the wall's."""

import time


def epoch_offset_ns(tries: int = 5) -> int:
    """What to add to CLOCK_MONOTONIC to get ns since the Unix epoch, now; right to about 1 us.

    The wall clock is read between two readings of the other; the tightest pair counts, so a
    preemption in between does no harm. Asked anew for each batch: it follows steps and slewing.
    """
    best, offset = 1 << 62, 0
    for _ in range(tries):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        if after - before < best:
            best, offset = after - before, wall - (before + after) // 2
        if best < 2_000:
            break
    return offset

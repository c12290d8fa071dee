"""How fast clients ask, and what they and their servers say to each other."""

import time
from collections.abc import Iterator

Exchange = tuple[str, str, str, str]
"""Method, target, status, error."""

_SLICES = 100  # a second


def paced(count: int, rate: int) -> Iterator[int]:
    """Numbers from 0 at a rate, in slices of a hundredth of a second. What was missed is not caught up on."""
    a_slice = max(rate // _SLICES, 1)
    due = time.monotonic()
    for number in range(count):
        if number % a_slice == 0:
            now = time.monotonic()
            time.sleep(max(due - now, 0))
            due = max(due, now) + a_slice / rate
        yield number

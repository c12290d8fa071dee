"""Waiting for a condition, never for a while."""

import time
from collections.abc import Callable
from typing import TypeVar

Got = TypeVar("Got")

_PAUSE_S = 0.25
"""So much counts of the time between two looks at the most: while a machine stands still, nobody has waited."""


def wait_for(condition: Callable[[], Got], what: str, seconds: float = 30.0) -> Got:
    """The first true answer of `condition`; AssertionError that says `what` did not come about.

    A look and the pause behind it count for `_PAUSE_S` at the most.
    """
    left_s, before_s = seconds, time.monotonic()
    while not (got := condition()):
        now_s = time.monotonic()
        left_s, before_s = left_s - min(now_s - before_s, _PAUSE_S), now_s
        assert left_s > 0, f"waited {seconds} s for {what}"
        time.sleep(0.02)
    return got

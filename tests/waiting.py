"""Waiting for a condition, never for a while."""

import time
from collections.abc import Callable
from typing import TypeVar

Got = TypeVar("Got")


def wait_for(condition: Callable[[], Got], what: str, seconds: float = 30.0) -> Got:
    """The first true answer of `condition`; AssertionError that says `what` did not come about."""
    end = time.monotonic() + seconds
    while not (got := condition()):
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.02)
    return got

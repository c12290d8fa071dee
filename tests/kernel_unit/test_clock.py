"""The offset between the clocks is right to far less than a millisecond."""

import time

from rubin.kernel.clock import epoch_offset_ns


def test_monotonic_plus_offset_is_the_time() -> None:
    errors = []
    for _ in range(20):
        offset = epoch_offset_ns()
        before = time.time_ns()
        shown = time.monotonic_ns() + offset
        after = time.time_ns()
        errors.append(max(before - shown, shown - after, 0))
    assert sorted(errors)[10] < 100_000

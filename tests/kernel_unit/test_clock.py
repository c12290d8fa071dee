"""The offset between the clocks is right to far less than a millisecond."""

import time

import pytest

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


def test_a_clock_that_is_set_is_followed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before, real = epoch_offset_ns(), time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3600 * 10**9)
    assert abs(epoch_offset_ns() - before - 3600 * 10**9) < 1_000_000

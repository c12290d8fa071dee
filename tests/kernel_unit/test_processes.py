"""Processes that live."""

import os
import time

from rubin.kernel.processes import living


def test_a_process_is_found_at_the_times_at_which_it_lived() -> None:
    found = living(os.getpid(), time.time_ns())
    assert found is not None
    assert (found.pid, found.uid) == (os.getpid(), os.getuid())
    assert living(os.getpid(), time.time_ns() - 86_400_000_000_000) is None
    assert living(1 << 30, time.time_ns()) is None

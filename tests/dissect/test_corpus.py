"""What fuzzers found worth keeping, or found to fail; `./dev fuzz` writes it."""

import time
import tracemalloc

import pytest

from tests.dissect.corpus import kept
from tests.dissect.fuzzed import RUN

MOST_S, MOST_BYTES = 1.0, 4 << 20


@pytest.mark.parametrize("protocol", sorted(RUN))
def test_no_input_fails_or_takes_long_or_much_memory(protocol):
    inputs = kept(protocol)
    assert inputs
    tracemalloc.start()
    try:
        for data in inputs:
            tracemalloc.reset_peak()
            before, began_s = tracemalloc.get_traced_memory()[0], time.process_time()
            RUN[protocol](data)
            assert time.process_time() - began_s < MOST_S, data
            assert tracemalloc.get_traced_memory()[1] - before < MOST_BYTES, data
    finally:
        tracemalloc.stop()

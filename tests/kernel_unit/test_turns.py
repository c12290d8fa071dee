"""The timer at which the kernel looks whether a thread's turn is over: for that thread, while it computes."""

import ctypes
import threading
import time

import pytest

from rubin.kernel.turns import Turns

_libc = ctypes.CDLL(None)
_LONG_S = 0.05


def slept_s():
    """How long a sleep goes on that nobody begins again."""
    begun = time.monotonic()
    _libc.usleep(int(_LONG_S * 1e6))
    return time.monotonic() - begun


@pytest.fixture
def turns():
    made = Turns()
    yield made
    made.close()


def test_a_thread_is_interrupted_from_begin_to_end(turns):
    assert slept_s() >= _LONG_S
    turns.begin()
    assert slept_s() < _LONG_S / 2
    turns.end()
    assert slept_s() >= _LONG_S


def test_begun_twice_it_ends_once(turns):
    turns.begin()
    turns.begin()
    turns.end()
    turns.end()
    assert slept_s() >= _LONG_S


def test_no_other_thread_is_interrupted(turns):
    found = []
    other = threading.Thread(target=lambda: found.append(slept_s()))
    turns.begin()
    other.start()
    other.join()
    assert found[0] >= _LONG_S


def test_what_python_calls_goes_on(turns):
    turns.begin()
    begun = time.monotonic()
    time.sleep(_LONG_S)
    assert time.monotonic() - begun >= _LONG_S


def test_after_closing_nothing_comes():
    turns = Turns()
    turns.begin()
    turns.close()
    assert slept_s() >= _LONG_S

"""The timer at which the kernel looks whether a thread's turn is over: for that thread, while it computes."""

import asyncio
import ctypes
import os
import statistics
import subprocess
import threading
import time

import pytest

from rubin.kernel import turns as turns_module
from rubin.kernel.turns import SHORT_NS, Selector, Turns, give_way, taken

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
    assert turns.are_short
    assert slept_s() >= _LONG_S
    turns.begin()
    assert slept_s() < _LONG_S / 2
    turns.end()
    assert slept_s() >= _LONG_S


def test_turns_are_as_long_as_it_is_said(turns):
    turns.begin(int(_LONG_S / 2 * 1e9))
    assert _LONG_S / 2 <= slept_s() < _LONG_S


@pytest.fixture
def busy_processor():
    """A processor that another program wants all of."""
    processor = min(os.sched_getaffinity(0))
    with subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"]) as other:
        try:
            os.sched_setaffinity(other.pid, {processor})
            yield processor
        finally:
            other.kill()


def test_who_gives_way_lets_others_work_at_each_signal(busy_processor):
    def work_s(turns):
        """How long 4 ms of work take in turns that begin after a sleep."""
        time.sleep(0.05)
        begun, worked = time.monotonic(), time.thread_time()
        turns.begin(SHORT_NS)
        while time.thread_time() - worked < 0.004:
            sum(range(300))
        turns.end()
        return time.monotonic() - begun

    def run():
        os.sched_setaffinity(0, {busy_processor})
        turns = Turns()
        for _ in range(15):
            for to_all, took in found.items():
                give_way(to_all)
                took.append(work_s(turns))
        turns.close()

    found: dict[bool, list[float]] = {True: [], False: []}
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert statistics.median(found[True]) > 2 * statistics.median(found[False])


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


def test_without_such_a_timer_nothing_happens(monkeypatch):
    monkeypatch.setattr(turns_module, "_CREATE", -1)
    turns = Turns()
    assert not turns.are_short
    turns.begin()
    assert slept_s() >= _LONG_S
    turns.end()
    turns.close()


def test_work_is_taken_in_turns_on_any_thread_and_nothing_comes_after_it():
    found = []

    def run():
        found.append(taken(slept_s)())
        found.append(slept_s())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found[0] < _LONG_S / 2
    assert found[1] >= _LONG_S


def test_what_was_asked_and_told_goes_through():
    assert taken(divmod)(7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        taken(divmod)(1, 0)
    assert slept_s() >= _LONG_S


def test_an_event_loop_works_in_turns_and_waits_without_them():
    """A wait in epoll(7) is begun again by Python: how often it was, its CPU time tells."""
    ours, theirs = os.pipe()

    async def run():
        await asyncio.sleep(0.01)
        worked_s = slept_s()
        loop = asyncio.get_running_loop()
        came = loop.create_future()
        loop.add_reader(ours, came.set_result, None)
        loop.call_later(_LONG_S, os.write, theirs, b"!")
        used_s = time.thread_time()
        await came
        return worked_s, time.thread_time() - used_s

    try:
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(Selector())) as runner:
            worked_s, used_s = runner.run(run())
    finally:
        os.close(ours)
        os.close(theirs)
    assert worked_s < _LONG_S / 2
    assert used_s < _LONG_S / 50
    assert slept_s() >= _LONG_S

"""Short turns of a thread that computes: a timer at which the kernel looks whether its turn is over (timer_create(2)).

Since 6.6 (EEVDF) the kernel looks when it is asked for the time that a thread has used; else at its tick, every 1 to
4 ms. Until then a thread that calls nobody keeps its processor, also from one that was woken in the very moment in
which it lay down to sleep: a server whose next request is there waits for the tick, several times a second.

Who has just woken up has a turn ahead of one that works, however low its priority, and then its turns are fair ones.
Who wants none of that gives way of its own accord (sched_yield(2)); where much waits, that leaves it half as much.
"""

import ctypes
import selectors
import signal
import struct
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_SIGNAL = signal.SIGRTMIN
LONG_NS, SHORT_NS = 250_000, 100_000  # each signal takes 2 us, in a virtual machine up to 20
_CREATE, _SET, _DELETE = 222, 223, 226  # the numbers of the calls on x86-64; libc has them since 2.34 only
_MONOTONIC = 1  # of CLOCK_*
_THIS_THREAD = 4  # SIGEV_THREAD_ID: the signal interrupts nobody else

_Asked = ParamSpec("_Asked")
_Told = TypeVar("_Told")

_libc = ctypes.CDLL(None)
_libc.signal.argtypes, _libc.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p


def give_way(to_all: bool) -> None:
    """Whether turns of this process end as soon as anybody waits, or where the kernel finds that they are over."""
    _libc.signal(_SIGNAL, ctypes.cast(_libc.sched_yield if to_all else _libc.clock, ctypes.c_void_p))


give_way(False)  # before there is a timer: without a handler its signal would end the process


class Turns:
    """For the thread that makes it. Nothing of Python runs for it; system calls that it interrupts are begun again.

    Where the kernel has no such timer for it (a filter of system calls, say), nothing happens: `are_short` is false.
    """

    def __init__(self) -> None:
        event = struct.pack("=Qiii44x", 0, _SIGNAL, _THIS_THREAD, threading.get_native_id())
        timer = ctypes.c_int()
        self._timer = timer.value if _libc.syscall(_CREATE, _MONOTONIC, event, ctypes.byref(timer)) == 0 else None
        self.are_short, self._begun = self._timer is not None, False

    def begin(self, every_ns: int = LONG_NS) -> None:
        """From now on: the first ends at once."""
        if not self._begun:
            self._set(every_ns)

    def end(self) -> None:
        """No more: before a sleep, which a signal would end."""
        if self._begun:
            self._set(0)

    def close(self) -> None:
        """For good."""
        if self._timer is not None:
            _libc.syscall(_DELETE, self._timer)
        self._timer, self._begun = None, False

    def _set(self, every_ns: int) -> None:
        if self._timer is not None:
            _libc.syscall(_SET, self._timer, 0, struct.pack("=qqqq", 0, every_ns, 0, min(every_ns, 1)), None)
            self._begun = every_ns > 0


class Selector(selectors.EpollSelector):
    """For an event loop: short turns from when something came until there is nothing to do but wait."""

    def __init__(self) -> None:
        super().__init__()
        self._turns = Turns()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What came."""
        came = super().select(0)  # to set a timer takes longer
        if came or (timeout is not None and timeout <= 0):
            return came
        self._turns.end()
        came = super().select(timeout)
        self._turns.begin()
        return came

    def close(self) -> None:
        """No more turns, either."""
        self._turns.close()
        super().close()


def taken(work: Callable[_Asked, _Told]) -> Callable[_Asked, _Told]:
    """The same in short turns, on whichever thread it is called."""

    def in_turns(*asked: _Asked.args, **named: _Asked.kwargs) -> _Told:
        turns = Turns()
        turns.begin()
        try:
            return work(*asked, **named)
        finally:
            turns.close()

    return in_turns

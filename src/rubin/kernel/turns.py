"""Short turns of a thread that computes: a timer at which the kernel looks whether its turn is over (timer_create(2)).

Since 6.6 (EEVDF) the kernel looks when it is asked for the time that a thread has used; else at its tick, every 1 to
4 ms. Until then a thread that calls nobody keeps its processor, also from one that was woken in the very moment in
which it lay down to sleep: a server whose next request is there waits for the tick, several times a second.
"""

import ctypes
import os
import signal
import struct
import threading

_SIGNAL = signal.SIGRTMIN
_EVERY_NS = 250_000
_CREATE, _SET, _DELETE = 222, 223, 226  # the numbers of the calls on x86-64; libc has them since 2.34 only
_MONOTONIC = 1  # of CLOCK_*
_THIS_THREAD = 4  # SIGEV_THREAD_ID: the signal interrupts nobody else
_FAILED = ctypes.c_void_p(-1).value  # SIG_ERR

_libc = ctypes.CDLL(None, use_errno=True)
_libc.signal.argtypes, _libc.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p


class Turns:
    """For the thread that makes it. Nothing of Python runs for it; system calls that it interrupts are begun again."""

    def __init__(self) -> None:
        """Raises OSError where the kernel has no such timer for it."""
        look = ctypes.cast(_libc.clock, ctypes.c_void_p)
        if _libc.signal(_SIGNAL, look) == _FAILED:
            _fail()
        event = struct.pack("=Qiii44x", 0, _SIGNAL, _THIS_THREAD, threading.get_native_id())
        timer = ctypes.c_int()
        _call(_CREATE, _MONOTONIC, event, ctypes.byref(timer))
        self._timer = timer.value
        self._begun = False

    def begin(self) -> None:
        """From now on."""
        if not self._begun:
            self._set(_EVERY_NS)

    def end(self) -> None:
        """No more: before a sleep, which a signal would end."""
        if self._begun:
            self._set(0)

    def close(self) -> None:
        """For good."""
        _call(_DELETE, self._timer)
        self._begun = False

    def _set(self, every_ns: int) -> None:
        _call(_SET, self._timer, 0, struct.pack("=qqqq", 0, every_ns, 0, every_ns), None)
        self._begun = every_ns > 0


def _call(number: int, *arguments: object) -> None:
    if _libc.syscall(number, *arguments) < 0:
        _fail()


def _fail() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))

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
from typing import Any

_SIGNAL = signal.SIGRTMIN
_EVERY_NS = 250_000  # which takes some microseconds
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
        self._timer = ctypes.c_void_p()
        _call(_libc.timer_create, _MONOTONIC, event, ctypes.byref(self._timer))
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
        _call(_libc.timer_delete, self._timer)
        self._begun = False

    def _set(self, every_ns: int) -> None:
        _call(_libc.timer_settime, self._timer, 0, struct.pack("=qqqq", 0, every_ns, 0, every_ns), None)
        self._begun = every_ns > 0


def _call(function: Any, *arguments: object) -> None:
    if function(*arguments) < 0:
        _fail()


def _fail() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))

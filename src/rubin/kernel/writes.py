"""Tells at once when somebody writes to a watched file or cuts it (inotify(7))."""

import ctypes
import os
import select
import struct
from contextlib import suppress

_libc = ctypes.CDLL(None, use_errno=True)
_MODIFY = 2
_EVENT = struct.Struct("iIII")
_NONE = -1
_MOST_BYTES = 1 << 16


class Writes:
    """Waits for them. One thread watches, waits and closes; `wake` is for any.

    Where the user has too many watches already, and for what other hosts write on a network's file system, nothing
    is told: whoever waits has to look at the files now and then.
    """

    def __init__(self) -> None:
        self._fd = int(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
        self._woken = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        for fd in (self._fd, self._woken):
            if fd != _NONE:
                self._poll.register(fd, select.POLLIN)

    def watch(self, path: str) -> int:
        """The number under which `wait` tells of a file; -1 where it cannot."""
        return int(_libc.inotify_add_watch(self._fd, os.fsencode(path), _MODIFY))

    def forget(self, number: int) -> None:
        """Tell no more of a file."""
        if number != _NONE:
            _libc.inotify_rm_watch(self._fd, number)

    def wait(self, seconds: float) -> set[int]:
        """The files that are written to, as soon as one is; () after these seconds, and when it is woken."""
        self._poll.poll(seconds * 1000)
        events = b""
        if self._fd != _NONE:
            with suppress(BlockingIOError):
                events = os.read(self._fd, _MOST_BYTES)
        return {number for number, _, _, _ in _EVENT.iter_unpack(events)}  # without names, for these are no folders

    def wake(self) -> None:
        """Let `wait` come back, now and from now on."""
        os.eventfd_write(self._woken, 1)

    def close(self) -> None:
        """Let go; once more does nothing."""
        for fd in (self._fd, self._woken):
            if fd != _NONE:
                os.close(fd)
        self._fd = self._woken = _NONE

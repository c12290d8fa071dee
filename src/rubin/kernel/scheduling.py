"""How the thread that reads shares a processor with those whom it observes (sched_setattr(2))."""

import ctypes
import os
import struct

_SET_ATTRIBUTES = 314  # the number of the call on x86-64
_BATCH = 3  # SCHED_BATCH: waking up, the thread interrupts nobody
_NICE = 5  # a third of the weight of who answers requests: enough for its share of a machine that is busy
_SLICE_NS = 100_000  # the least that the kernel takes; since 6.12, before it is passed over

_libc = ctypes.CDLL(None, use_errno=True)


def give_way() -> None:
    """Let others go first, and take the processor in short turns.

    A batch takes milliseconds, in which a server on the same processor would wait although it has a request to answer.
    Raises OSError.
    """
    size = 48
    attributes = struct.pack("=IIQiIQQQ", size, _BATCH, 0, _NICE, 0, _SLICE_NS, 0, 0)
    if _libc.syscall(_SET_ATTRIBUTES, 0, attributes, 0) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))

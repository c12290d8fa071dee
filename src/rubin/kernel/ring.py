"""A BPF ring buffer of equal records, mapped and read in place by numpy.

Layout (kernel/bpf/ringbuf.c): a page with the consumer's position, a page with the producer's,
then the data area mapped twice, so that any run of records is one piece of memory wherever it
begins. Each record has an 8-byte header: 30 bits of length, bit 31 while it is being written,
bit 30 when it was given up. On x86 plain loads and one aligned 8-byte store keep the order.
"""

import ctypes
import mmap
import os
import select
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rubin.errors import RubinError
from rubin.kernel.maps import Map

_BUSY, _DISCARDED, _LENGTH = 1 << 31, 1 << 30, (1 << 30) - 1
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_FIXED = 0x10  # MAP_FIXED, mman-common.h


class Mapping:
    """A shared mapping of a descriptor. Python's own mmap asks for a size that BPF descriptors do not tell."""

    def __init__(self, fd: int, offset: int, length: int, protection: int) -> None:
        self.address, self.length = _mapped(None, length, protection, mmap.MAP_SHARED, fd, offset), length

    @classmethod
    def joined(cls, fd: int, places: list[tuple[int, int]]) -> Self:
        """(offset, length) of pieces that are to lie one behind the other, to be read; a page more may be read."""
        found = cls.__new__(cls)
        found.length = sum(length for _, length in places) + mmap.PAGESIZE
        found.address = at = _mapped(None, found.length, mmap.PROT_READ, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        try:
            for offset, length in places:
                _mapped(at, length, mmap.PROT_READ, mmap.MAP_SHARED | _FIXED, fd, offset)
                at += length
        except OSError:
            found.close()
            raise
        return found

    def array(self, dtype: np.dtype[Any], count: int, offset: int = 0) -> npt.NDArray[Any]:
        """(count,) what lies there, in place."""
        memory = (ctypes.c_char * (dtype.itemsize * count)).from_address(self.address + offset)
        return np.frombuffer(memoryview(memory), dtype, count)

    def close(self) -> None:
        """Let it go; nobody may look into its arrays any more."""
        if self.address:
            _libc.munmap(self.address, self.length)
            self.address = 0


def _mapped(address: int | None, length: int, protection: int, flags: int, fd: int, offset: int) -> int:
    found = _libc.mmap(address, length, protection, flags, fd, offset)
    if found in (None, ctypes.c_void_p(-1).value):
        number = ctypes.get_errno()
        raise OSError(number, f"mapping a map: {os.strerror(number)}")
    return int(found)


class Signal:
    """A ring in which nothing is: it becomes readable when the kernel wants to be looked at."""

    def __init__(self, ring: Map) -> None:
        """Raises OSError where the ring cannot be mapped."""
        self.fd = ring.fd
        self._positions = [
            Mapping(ring.fd, offset, mmap.PAGESIZE, protection)
            for offset, protection in ((0, mmap.PROT_READ | mmap.PROT_WRITE), (mmap.PAGESIZE, mmap.PROT_READ))
        ]
        self._consumer, self._producer = (page.array(np.dtype("<u8"), 1) for page in self._positions)

    def clear(self) -> None:
        """Make room for the next ones."""
        self._consumer[0] = self._producer[0]

    def close(self) -> None:
        """Unmap."""
        for page in self._positions:
            page.close()


class Ring:
    """The reader of one ring; there can be only one. Records are `dtype`, nothing else."""

    def __init__(self, ring: Map, dtype: np.dtype[np.void]) -> None:
        """Raises OSError where the ring cannot be mapped."""
        self.bytes = ring.max_entries
        self.name = ring.name
        page = mmap.PAGESIZE
        self._stride = dtype.itemsize + 8
        self._slot = np.dtype(
            {"names": ["header", "record"], "formats": ["<u4", dtype], "offsets": [0, 8], "itemsize": self._stride}
        )
        self._writable = Mapping(ring.fd, 0, page, mmap.PROT_READ | mmap.PROT_WRITE)
        self._readable = Mapping(ring.fd, page, page + 2 * self.bytes, mmap.PROT_READ)
        self._consumer = self._writable.array(np.dtype("<u8"), 1)
        self._producer = self._readable.array(np.dtype("<u8"), 1)
        self._pending = 0
        self._epoll = select.epoll()
        # Edge-triggered: woken by the kernel's signal (half full) only, else by the timer; level-triggered
        # would return for each single record.
        self._epoll.register(ring.fd, select.EPOLLIN | select.EPOLLET)

    @property
    def consumer(self) -> int:
        """Bytes ever taken out."""
        return int(self._consumer[0])

    @property
    def producer(self) -> int:
        """Bytes ever put in."""
        return int(self._producer[0])

    @property
    def pending_bytes(self) -> int:
        """What has been put in and not taken out."""
        return self.producer - self.consumer

    @property
    def fill(self) -> float:
        """How full the ring is, 0 to 1."""
        return self.pending_bytes / self.bytes

    @property
    def records_read(self) -> int:
        """Records ever taken out, those given up by their writer included."""
        return self.consumer // self._stride

    def peek(self, most: int = 65_536) -> npt.NDArray[np.void]:
        """(n,) records in place, oldest first, empty where there are none; valid until `advance`.

        Stops at the first record that is still being written. Records given up by their writer
        are left out (the result is a copy then). Raises RubinError where a record has another size.
        """
        consumer = self.consumer
        count = min((self.producer - consumer) // self._stride, most)
        if not count:
            self._pending = 0
            return np.empty(0, self._slot["record"])
        offset = mmap.PAGESIZE + consumer % self.bytes
        slots = self._readable.array(self._slot, count, offset)
        headers = slots["header"]
        if (odd := headers != self._slot["record"].itemsize).any():
            return self._sift(slots, headers.copy(), int(odd.argmax()))
        self._pending = count
        return slots["record"]

    def _sift(self, slots: npt.NDArray[np.void], headers: npt.NDArray[np.uint32], first: int) -> npt.NDArray[np.void]:
        busy = headers & _BUSY != 0
        count = int(busy.argmax()) if busy.any() else len(headers)
        self._pending = count
        lengths = headers[:count] & _LENGTH
        if (lengths != self._slot["record"].itemsize).any():
            due = self._slot["record"].itemsize
            raise RubinError(
                f"ring '{self.name}' holds a record of {lengths[first]} bytes where all have {due}",
                "build the BPF objects again: they and the Python code are of different versions",
            )
        kept = headers[:count] & _DISCARDED == 0
        return slots["record"][:count] if kept.all() else slots["record"][:count][kept]

    def advance(self) -> None:
        """Give the records of the last `peek` back to the kernel; nobody may look at them any more."""
        if self._pending:
            self._consumer[0] = self.consumer + self._pending * self._stride
            self._pending = 0

    def watch(self, fd: int, edge: bool = False) -> None:
        """Let `wait` also return when this descriptor becomes readable; `edge`: only at the kernel's signal for it."""
        self._epoll.register(fd, select.EPOLLIN | (select.EPOLLET if edge else 0))

    def wait(self, seconds: float) -> list[int]:
        """The descriptors that woke us: the ring's, watched ones; none after `seconds`."""
        return [fd for fd, _ in self._epoll.poll(seconds)]

    def close(self) -> None:
        """Unmap. Records still held by the caller must be copies."""
        self._epoll.close()
        self._readable.close()
        self._writable.close()

"""A BPF map by its descriptor: single elements as bytes, whole maps as numpy arrays."""

import ctypes
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from rubin.kernel.syscall import bpf

_LOOKUP, _UPDATE, _DELETE, _NEXT_KEY, _LOOKUP_BATCH = 1, 2, 3, 4, 24
_PER_CPU = {5, 6, 10, 21}  # BPF_MAP_TYPE_PERCPU_HASH, PERCPU_ARRAY, LRU_PERCPU_HASH, PERCPU_CGROUP_STORAGE
_RING = 27

Bytes = npt.NDArray[np.uint8]


@cache
def possible_cpus() -> int:
    """How many values a per-CPU map has for one key (/sys/devices/system/cpu/possible)."""
    with open("/sys/devices/system/cpu/possible") as file:
        last = file.read().strip().replace("-", ",").split(",")[-1]
    return int(last) + 1


@dataclass(frozen=True)
class Map:
    """One map; whoever loaded the object owns the descriptor. All methods raise OSError."""

    name: str
    fd: int
    type: int
    key_size: int
    value_size: int
    max_entries: int

    @property
    def per_cpu(self) -> bool:
        """Whether an element has a value on each CPU."""
        return self.type in _PER_CPU

    @property
    def element_bytes(self) -> int:
        """The bytes of all values of one key, as bpf(2) copies them."""
        return (self.value_size + 7) // 8 * 8 * possible_cpus() if self.per_cpu else self.value_size

    def _call(self, command: int, key: bytes, value: ctypes.Array[ctypes.c_char] | None = None, flags: int = 0) -> None:
        if len(key) != self.key_size:
            raise ValueError(f"map '{self.name}' has keys of {self.key_size} bytes, not {len(key)}")
        keys = ctypes.create_string_buffer(key, max(len(key), 1))
        address = ctypes.addressof(value) if value is not None else 0
        bpf(command, struct.pack("=I4xQQQ", self.fd, ctypes.addressof(keys), address, flags))

    def lookup(self, key: bytes) -> bytes | None:
        """The value of a key (all CPUs' values in a row), None where there is none."""
        value = ctypes.create_string_buffer(self.element_bytes)
        try:
            self._call(_LOOKUP, key, value)
        except FileNotFoundError:
            return None
        return value.raw

    def update(self, key: bytes, value: bytes) -> None:
        """Set the value of a key."""
        if len(value) != self.element_bytes:
            raise ValueError(f"map '{self.name}' has values of {self.element_bytes} bytes, not {len(value)}")
        self._call(_UPDATE, key, ctypes.create_string_buffer(value, len(value)))

    def delete(self, key: bytes) -> bool:
        """Remove a key; False where it was not there."""
        try:
            self._call(_DELETE, key)
        except FileNotFoundError:
            return False
        return True

    def __iter__(self) -> Iterator[bytes]:
        """Every key, one call each; keys that come or go meanwhile may be seen or not."""
        following = ctypes.create_string_buffer(self.key_size)
        current = 0
        held = ctypes.create_string_buffer(self.key_size)
        while True:
            try:
                bpf(_NEXT_KEY, struct.pack("=I4xQQQ", self.fd, current, ctypes.addressof(following), 0))
            except FileNotFoundError:
                return
            held.raw = following.raw
            current = ctypes.addressof(held)
            yield held.raw

    def batches(self, count: int = 4096) -> Iterator[tuple[Bytes, Bytes]]:
        """((n, key), (n, element)) uint8: the whole map in runs of up to `count` elements."""
        token, following = (
            ctypes.create_string_buffer(max(self.key_size, 8)),
            ctypes.create_string_buffer(max(self.key_size, 8)),
        )
        first = True
        while True:
            keys = np.empty((count, self.key_size), np.uint8)
            values = np.empty((count, self.element_bytes), np.uint8)
            got, done = self._batch(0 if first else ctypes.addressof(token), ctypes.addressof(following), keys, values)
            if got:
                yield keys[:got], values[:got]
            if done:
                return
            first, token.raw = False, following.raw

    def _batch(self, token: int, following: int, keys: Bytes, values: Bytes) -> tuple[int, bool]:
        # attr.batch: in_batch, out_batch, keys, values, count (in and out), map_fd, elem_flags, flags
        attributes = bytearray(
            struct.pack("=QQQQIIQQ", token, following, keys.ctypes.data, values.ctypes.data, len(keys), self.fd, 0, 0)
        )
        done = False
        try:
            bpf(_LOOKUP_BATCH, attributes)
        except FileNotFoundError:  # the end of the map
            done = True
        return struct.unpack_from("=I", attributes, 32)[0], done

    def counters(self) -> npt.NDArray[np.uint64]:
        """(max_entries, cpus, words) uint64: an array map whose values are 64-bit counters."""
        words = self.value_size // 8
        cpus = possible_cpus() if self.per_cpu else 1
        elements = [self.lookup(struct.pack("=I", index)) or b"" for index in range(self.max_entries)]
        return np.frombuffer(b"".join(elements), np.uint64).reshape(self.max_entries, cpus, words)

    def memory_bytes(self) -> int:
        """What the kernel charges for the map (fdinfo's memlock; of rings it tells nothing before 6.4)."""
        with open(f"/proc/{os.getpid()}/fdinfo/{self.fd}") as file:
            charged = next((int(line.split()[1]) for line in file if line.startswith("memlock:")), 0)
        return max(charged, self.max_entries) if self.type == _RING else charged

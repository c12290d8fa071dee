"""An executable or library as a file: its sections, its code, and where that is in the file (elf(5))."""

import os
import re
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# What arch/x86/kernel/uprobes.c emulates: push, nop, jumps, call. Other instructions are single-stepped out of
# their place, which costs 9 to 14 us in a virtual machine instead of less than one.
EMULATED = re.compile(rb"\x41?[\x50-\x57]|\x90|[\x70-\x7f\xe8\xe9\xeb]|\x0f[\x80-\x8f]")
CALL_BYTES = 5  # e8 and a distance

_SECTION = np.dtype(
    [(name, "<u4") for name in ("name", "kind")]
    + [(name, "<u8") for name in ("flags", "address", "offset", "size")]
    + [("link", "<u4"), ("info", "<u4"), ("align", "<u8"), ("entry", "<u8")]
)
_SEGMENT = np.dtype(
    [("kind", "<u4"), ("flags", "<u4")]
    + [(name, "<u8") for name in ("offset", "address", "physical", "file_size", "size", "align")]
)
_LOAD = 1
_PIECE = 1 << 20  # bytes that are looked through at a time
_MOST_BYTES = 256 << 20  # that are read at once: no table of a real file is larger


class UnfitError(Exception):
    """Why nothing can be attached in a file, in words."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where one program is to be attached in a file, by offsets, and with which cookies."""

    program: str
    offsets: tuple[int, ...]
    cookies: tuple[int, ...] = ()
    returns: bool = False  # when the functions there return
    dear: tuple[str, ...] = ()  # functions of these in which the kernel steps instead of emulating


class Raw:
    """The bytes of an open file, read where they are asked for: a mapping of it would end this process by SIGBUS
    where somebody cuts it meanwhile.
    """

    def __init__(self, fd: int) -> None:
        self._fd, self._size = fd, os.fstat(fd).st_size

    def __getitem__(self, part: slice) -> bytes:
        """Those that are there. Raises ValueError for more than a file of sense would have, and OSError."""
        start, stop, _ = part.indices(self._size)
        if stop - start > _MOST_BYTES:
            raise ValueError("a table that is too large")
        return os.pread(self._fd, max(stop - start, 0), start)

    def find(self, wanted: bytes, start: int, stop: int) -> int:
        """Where these bytes are first, -1 where they are not."""
        stop = min(stop, self._size)
        for first in range(max(start, 0), stop, _PIECE):
            at = self[first : min(first + _PIECE + len(wanted) - 1, stop)].find(wanted)
            if at >= 0:
                return first + at
        return -1


class Elf:
    """A 64-bit ELF file, little-endian. Methods raise ValueError or struct.error where it is cut or makes no sense."""

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        head = raw[0:64]
        segments, sections = struct.unpack_from("<QQ", head, 32)
        segment_count, _, section_count, names = struct.unpack_from("<HHHH", head, 56)
        loaded = self.rows(_SEGMENT, segments, segment_count)
        self._segments = loaded[loaded["kind"] == _LOAD]
        self.sections = self.rows(_SECTION, sections, section_count if sections else 0)
        self._names = int(self.sections[names]["offset"]) if names < len(self.sections) else 0

    def rows(self, dtype: np.dtype[Any], offset: int, count: int) -> npt.NDArray[Any]:
        """(count,) of what stands at an offset of the file, copied."""
        return np.frombuffer(self.raw[offset : offset + dtype.itemsize * count], dtype, count)

    def section(self, name: str) -> Any | None:
        """The first section of this name, a row of `sections`."""
        wanted = name.encode() + b"\0"
        for one in self.sections:
            start = self._names + int(one["name"])
            if self.raw[start : start + len(wanted)] == wanted:
                return one
        return None

    def offset(self, address: int) -> int:
        """Where in the file an address is."""
        for one in self._segments:
            if int(one["address"]) <= address < int(one["address"]) + int(one["file_size"]):
                return address - int(one["address"]) + int(one["offset"])
        raise ValueError("a function outside of the file")

    def code(self, address: int, count: int) -> bytes:
        """So many bytes at an address, fewer at the end of the file."""
        offset = self.offset(address)
        if not (code := self.raw[offset : offset + count]):
            raise ValueError("a function that is cut off")
        return code


def calls(code: bytes, address: int) -> list[tuple[int, int]]:
    """Everything in code at an address that could be a call: (address of it, address that it calls)."""
    found = (one.start() for one in re.finditer(rb"(?=\xe8.{4})", code, re.DOTALL))
    return [(address + at, address + at + CALL_BYTES + struct.unpack_from("<i", code, at + 1)[0]) for at in found]

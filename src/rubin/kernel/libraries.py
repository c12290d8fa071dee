"""TLS libraries: what can be attached to in a file, and which files processes have mapped."""

import os
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from rubin.kernel import golang, openssl
from rubin.kernel.elf import Elf, Places, Raw, UnfitError

_MAPPING = re.compile(rb"^0*([0-9a-f]+-)0*([0-9a-f]+) r.xp [0-9a-f]+ ([0-9a-f]+:[0-9a-f]+) (\d+) +(/.*)$", re.MULTILINE)
_MOST_MAPS = 4 << 20  # bytes of a process's maps that are read


def places(path: str) -> tuple[Places, ...]:
    """What can be attached in the file at `path`, in this order; () where there is nothing of TLS in it.

    Raises OSError, and UnfitError where there is, and something is missing.
    """
    with open(path, "rb") as file:
        if file.read(6) != b"\x7fELF\x02\x01":
            return ()
        try:
            elf = Elf(Raw(file.fileno()))
            return openssl.places(elf) + golang.places(elf)
        except (struct.error, ValueError, IndexError) as error:
            raise UnfitError(f"not an ELF file that makes sense: {error}") from error


class Mapped(NamedTuple):
    """A file that a process executes parts of."""

    device: bytes
    inode: int
    path: str  # as the process sees it
    where: str  # its place in memory, as /proc/PID/map_files names it


def mapped(pid: int) -> Iterator[Mapped]:
    """The files of which a process executes code, each once; none where it has gone or may not be looked at."""
    with suppress(OSError):
        with open(f"/proc/{pid}/maps", "rb", buffering=0) as file:
            pieces, size = [], 0
            while size < _MOST_MAPS and (piece := file.read(1 << 16)):
                pieces.append(piece)
                size += len(piece)
        seen = set()
        for first, end, device, inode, path in _MAPPING.findall(b"".join(pieces)):
            if (device, inode) not in seen and inode != b"0":
                seen.add((device, inode))
                yield Mapped(device, int(inode), os.fsdecode(path).removesuffix(" (deleted)"), (first + end).decode())


Content = tuple[int, int]


def content(file: str | int) -> Content:
    """What changes with what a file, given by path or descriptor, holds: its size and time. Raises OSError."""
    found = os.stat(file)
    return found.st_size, found.st_mtime_ns


Identity = tuple[int, ...]


def identity(path: str | int) -> Identity:
    """What two paths to one file have in common, also where one goes through an overlay. Raises OSError.

    Overlays show the inode's number and times of the layer below and a device of their own.
    """
    found = os.stat(path)
    same = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    # file systems that are images have times in whole seconds, often all the same, and small numbers
    return same if found.st_ctime_ns % 1_000_000_000 else (*same, found.st_dev)


def place_of(pid: int, file: Mapped) -> str:
    """A path to the very file that a process has mapped. Raises OSError and UnfitError."""
    place = f"/proc/{pid}/map_files/{file.where}"
    try:
        os.stat(place)
    except PermissionError:  # without CAP_CHECKPOINT_RESTORE
        place = f"/proc/{pid}/root{file.path}"
        if os.stat(place).st_ino != file.inode:
            raise UnfitError("another file has its place, and CAP_CHECKPOINT_RESTORE is not given") from None
    return place


def reachable(pid: int, file: Mapped) -> str:
    """A path by which this process reaches a file that another has mapped: our own if it is the same file there.

    An attachment holds the mount of its path, and nobody else's should be held. Raises OSError and
    UnfitError.
    """
    there = place_of(pid, file)
    with suppress(OSError):
        if identity(file.path) == identity(there):
            return file.path
    return there

"""TLS libraries: where in a file their functions lie, and which files processes have mapped.

Nothing is known of a library but its public functions. OpenSSL's two for each direction call one internal function,
at which a probe costs a fraction: its first instruction is mostly a `push`, which the kernel emulates, where
others are single-stepped (9 to 14 us in a virtual machine).
"""

import mmap
import os
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

RETURNED, FOURTH, FIFTH, WRITES = 0, 1, 2, 4
"""Where a function leaves how much was moved, enum cookie of bpf/clear.bpf.c; and whether it writes."""

_WANTED = (
    *("SSL_read", "SSL_write", "SSL_set_connect_state", "SSL_set_accept_state", "SSL_do_handshake"),
    *("SSL_read_ex", "SSL_write_ex", "SSL_write_ex2"),
)
_NEEDED = _WANTED[:5]
_SMALL = 64  # bytes of a function that does little more than call another
_LOOK = 256  # bytes of a function in which its calls are looked for
_MOST_NAMES = 256 << 20

# Instructions that leave arguments and stack as they are: endbr64, test rdi, test edx, mov imm to eax, cmpq at rdi
_BEFORE = re.compile(rb"(?:\xf3\x0f\x1e\xfa|\x48\x85\xff|\x85\xd2|\xb8.{4}|\x48\x83\x7f..)*", re.DOTALL)
# What arch/x86/kernel/uprobes.c emulates: push, nop, jumps, call
_EMULATED = re.compile(rb"\x41?[\x50-\x57]|\x90|[\x70-\x7f\xe8\xe9\xeb]|\x0f[\x80-\x8f]")
_MAPPING = re.compile(rb"^0*([0-9a-f]+-)0*([0-9a-f]+) r.xp [0-9a-f]+ ([0-9a-f]+:[0-9a-f]+) (\d+) +(/.*)$", re.MULTILINE)
_MOST_MAPS = 4 << 20  # bytes of a process's maps that are read

_SECTION = np.dtype(
    [(name, "<u4") for name in ("name", "kind")]
    + [(name, "<u8") for name in ("flags", "address", "offset", "size")]
    + [("link", "<u4"), ("info", "<u4"), ("align", "<u8"), ("entry", "<u8")]
)
_SEGMENT = np.dtype(
    [("kind", "<u4"), ("flags", "<u4")]
    + [(name, "<u8") for name in ("offset", "address", "physical", "file_size", "size", "align")]
)
_SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_SYMTAB, _DYNSYM, _LOAD = 2, 11, 1


class Symbol(NamedTuple):
    """A function of a file: its address, its size, and the section that it is in."""

    address: int
    size: int
    section: int


@dataclass(frozen=True, slots=True)
class Functions:
    """Where to attach in a file, by offsets; `dear`: at which of them the kernel steps instead of emulating."""

    calls: tuple[int, ...]
    cookies: tuple[int, ...]  # of `calls`
    begins: tuple[int, ...]
    handshakes: tuple[int, ...]
    dear: tuple[str, ...] = ()


class UnfitError(Exception):
    """Why nothing can be attached in a file, in words."""


def functions(path: str) -> Functions | None:
    """What can be attached in the file at `path`, None where it is no TLS library.

    Raises OSError, and UnfitError for a library of which something is missing.
    """
    with open(path, "rb") as file:
        if file.read(6) != b"\x7fELF\x02\x01":
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
            try:
                return _Elf(raw).functions()
            except (struct.error, ValueError, IndexError) as error:
                raise UnfitError(f"not an ELF file that makes sense: {error}") from error


class _Elf:
    """A 64-bit ELF file, little-endian (elf(5)). Methods raise ValueError where it is cut or makes no sense."""

    def __init__(self, raw: mmap.mmap) -> None:
        self._raw = raw
        segments, sections = struct.unpack_from("<QQ", raw, 32)
        segment_count, _, section_count = struct.unpack_from("<HHH", raw, 56)
        self._segments = self._rows(_SEGMENT, segments, segment_count)
        self._sections = self._rows(_SECTION, sections, section_count if sections else 0)

    def _rows(self, dtype: np.dtype[np.void], offset: int, count: int) -> npt.NDArray[np.void]:
        size = dtype.itemsize * count
        return np.frombuffer(self._raw[offset : offset + size], dtype, count)

    def functions(self) -> Functions | None:
        found = self._symbols()
        if not {"SSL_read", "SSL_write"} <= found.keys():
            return None
        missing = [name for name in _NEEDED if name not in found]
        if missing:
            raise UnfitError(f"it has no {missing[0]}")
        dear: list[str] = []
        calls: list[tuple[int, int]] = []
        last = "SSL_write_ex2" if "SSL_write_ex2" in found else "SSL_write_ex"
        written = FIFTH if last == "SSL_write_ex2" else FOURTH
        for name, other, cookie in (("SSL_read", "SSL_read_ex", FOURTH), ("SSL_write", last, written | WRITES)):
            inner = self._inner(found[name], found[other]) if other in found else None
            if inner is not None:
                calls.append((self._place(inner, f"what {name} calls", dear), cookie))
                continue
            bit = cookie & WRITES
            for one, where in ((name, RETURNED), (f"{name}_ex", FOURTH), (f"{name}_ex2", FIFTH)):
                if one in found:
                    calls.append((self._place(found[one].address, one, dear), where | bit))
        begins = {self._place(found[name].address, name, []) for name in _WANTED[2:4]}
        handshake = self._place(found["SSL_do_handshake"].address, "SSL_do_handshake", [])
        return Functions(
            tuple(one for one, _ in calls), tuple(one for _, one in calls), tuple(begins), (handshake,), tuple(dear)
        )

    def _symbols(self) -> dict[str, Symbol]:
        """The wanted functions that are defined here, by name."""
        found: dict[str, Symbol] = {}
        for table in self._sections[np.isin(self._sections["kind"], (_DYNSYM, _SYMTAB))]:
            names = self._sections[int(table["link"])]
            start, size = int(names["offset"]), int(names["size"])
            if size > _MOST_NAMES or self._raw.find(b"SSL_read\0", start, start + size) < 0:
                continue
            symbols = self._rows(_SYMBOL, int(table["offset"]), int(table["size"]) // _SYMBOL.itemsize)
            symbols = symbols[(symbols["section"] != 0) & (symbols["info"] & 15 == 2)]  # defined functions
            for name in _WANTED:
                if name not in found and (defined := self._named(symbols, name, start, size)):
                    found[name] = defined[0]
        return found

    def _named(self, symbols: npt.NDArray[np.void], name: str, start: int, size: int) -> list[Symbol]:
        """Those of the symbols that have a name; in a table of names one may be the end of another."""
        places, at = [], start
        while (at := self._raw.find(name.encode() + b"\0", at, start + size)) >= 0:
            places.append(at - start)
            at += 1
        return [
            Symbol(int(one["value"]), int(one["size"]), int(one["section"]))
            for one in symbols[np.isin(symbols["name"], np.array(places, np.uint32))]
        ]

    def _inner(self, large: Symbol, small: Symbol) -> int | None:
        """The one function that both call: what does the work of both. `small` has to be little else than that call."""
        if small.size > _SMALL or large.section != small.section:
            return None
        common = self._called(large) & self._called(small)
        return common.pop() if len(common) == 1 else None

    def _called(self, function: Symbol) -> set[int]:
        """Addresses in its own section that it seems to call."""
        section = self._sections[function.section]
        first, code = int(section["address"]), self._code(function.address, min(function.size, _LOOK))
        calls = (one.start() for one in re.finditer(rb"(?=\xe8.{4})", code, re.DOTALL))
        targets = {function.address + at + 5 + struct.unpack_from("<i", code, at + 1)[0] for at in calls}
        return {one for one in targets if first <= one < first + int(section["size"])}

    def _offset(self, address: int) -> int:
        for one in self._segments[self._segments["kind"] == _LOAD]:
            if int(one["address"]) <= address < int(one["address"]) + int(one["file_size"]):
                return address - int(one["address"]) + int(one["offset"])
        raise ValueError("a function outside of the file")

    def _code(self, address: int, count: int) -> bytes:
        offset = self._offset(address)
        return self._raw[offset : offset + count]

    def _place(self, address: int, name: str, dear: list[str]) -> int:
        """The offset in the file of the first place in a function that costs little, else of its beginning."""
        code = self._code(address, 32)
        before = _BEFORE.match(code)
        skipped = before.end() if before else 0
        if _EMULATED.match(code, skipped):
            return self._offset(address) + skipped
        dear.append(name)
        return self._offset(address)


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


Identity = tuple[int, ...]


def identity(path: str) -> Identity:
    """What two paths to one file have in common, also where one goes through an overlay. Raises OSError.

    Overlays show the inode's number and times of the layer below and a device of their own.
    """
    found = os.stat(path)
    same = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    # file systems that are images have times in whole seconds, often all the same, and small numbers
    return same if found.st_ctime_ns % 1_000_000_000 else (*same, found.st_dev)


def reachable(pid: int, file: Mapped) -> str:
    """A path by which this process reaches a file that another has mapped: our own if it is the same file there.

    An attachment holds the mount of its path, and nobody else's should be held. Raises OSError and
    UnfitError.
    """
    there = f"/proc/{pid}/map_files/{file.where}"
    try:
        wanted = identity(there)
    except PermissionError:  # without CAP_CHECKPOINT_RESTORE
        there = f"/proc/{pid}/root{file.path}"
        wanted = identity(there)
        if wanted[0] != file.inode:
            raise UnfitError("another file has its place, and CAP_CHECKPOINT_RESTORE is not given") from None
    with suppress(OSError):
        if identity(file.path) == wanted:
            return file.path
    return there

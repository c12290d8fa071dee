"""Where in an executable Go's crypto/tls can be followed: bpf/clear_go.h says what is seen there.

Go's own table of functions (.gopclntab, runtime/symtab.go) is in stripped executables, too. Nothing is attached where
a function returns: Go moves stacks, and a single-stepped `ret` is dear. What was said is taken where it is handed
on, at calls, which the kernel emulates: a call is certain where its distance is that to the function it has to call.
"""

import re
import struct
from typing import NamedTuple

import numpy as np

from rubin.kernel.elf import CALL_BYTES, Elf, Places, UnfitError, calls

PROGRAM = "rubin_clear_go"
HANDSHAKE, SHAKEN, READ, HEARD, SAID = range(5)
"""enum go_place of bpf/clear_go.h."""

_CONN = "crypto/tls.(*Conn)."
_HANDSHAKES = (f"{_CONN}clientHandshake", f"{_CONN}serverHandshake")
_READ, _COPY, _WRITE, _RECORD = f"{_CONN}Read", "runtime.memmove", f"{_CONN}Write", f"{_CONN}writeRecordLocked"
_WANTED = (*_HANDSHAKES, *(f"{name}-fm" for name in _HANDSHAKES), _READ, _COPY, _WRITE, _RECORD)

# The table's magic begins with a byte of its version: since Go 1.20, 1.18; of 1.16, 1.2.
_KNOWN, _OLDER = (b"\xf1", b"\xf0"), (b"\xfa", b"\xfb")
_MAGIC = b"\xff\xff\xff\0\0\x01\x08"  # the rest, two zeros, the quantum and size of a pointer of x86-64
_TABLE_SECTIONS = (".gopclntab", ".data.rel.ro.gopclntab", ".data.rel.ro")
_WORD = np.dtype(np.uint32)
_MOST_FUNCTIONS = 4 << 20
_LARGEST = 1 << 16  # bytes of a function

# cmp stack pointer, or what it will be, with the stack's guard; what follows is the jump to where it is made larger
_GUARDED = re.compile(rb"(?:\x49|\x4c\x8d(?:\x64\x24.|\xa4\x24.{4})\x4d)\x3b\x66\x10(?=\x76|\x0f\x86)", re.DOTALL)
# Where the linker is not Go's own, something of C is in front of the code; Go's begins at a multiple of 32
_MOST_BEFORE, _ALIGNED = 1 << 16, 32


class Function(NamedTuple):
    """Of a function: where it begins behind the beginning of Go's code, and its size."""

    start: int
    size: int


def places(elf: Elf) -> tuple[Places, ...]:
    """What can be attached, () where the file is no Go executable or does not use crypto/tls.

    Raises UnfitError where that is built in a way that is not known, ValueError, IndexError and struct.error where
    the file makes no sense.
    """
    if elf.section(".go.buildinfo") is None:
        return ()
    found = _functions(elf)
    if _READ not in found:
        return ()
    beginning = _beginning(elf, found)

    def sites(caller: str, callee: str) -> list[int]:
        if not {caller, callee} <= found.keys():
            return []
        return [elf.offset(at) for at in _calls(elf, beginning, found[caller], found[callee])]

    wrappers = [name for name in _HANDSHAKES if f"{name}-fm" in found]  # of those that this program can make
    handshakes = [at for name in wrappers for at in sites(f"{name}-fm", name)]
    heard, said = sites(_READ, _COPY), sites(_WRITE, _RECORD)
    if len(handshakes) != len(wrappers) or len(heard) != 1 or not said:
        raise UnfitError("its crypto/tls is not as those are that are known")
    read = beginning + found[_READ].start
    guarded = _GUARDED.match(elf.code(read, 32))
    marked = [
        *((at, HANDSHAKE) for at in handshakes),
        *((at + CALL_BYTES, SHAKEN) for at in handshakes),
        (elf.offset(read) + (guarded.end() if guarded else 0), READ),
        *((at, HEARD) for at in heard),
        *((at, SAID) for at in said),
    ]
    offsets, cookies = tuple(one for one, _ in marked), tuple(one for _, one in marked)
    return (Places(PROGRAM, offsets, cookies, dear=() if guarded else (_READ,)),)


def _functions(elf: Elf) -> dict[str, Function]:
    """The wanted functions by name, from the table of all; what the compiler has put inside of others is not in it."""
    for section in filter(None, map(elf.section, _TABLE_SECTIONS)):
        start = at = int(section["offset"])
        end = start + int(section["size"])
        while (at := elf.raw.find(_MAGIC, at + 1, end)) >= 0:
            version = elf.raw[at - 1 : at]
            if version in _KNOWN and (found := _named(elf, at - 1)):
                return found
            if version in _OLDER and elf.raw.find(f"\0{_READ}\0".encode(), start, end) >= 0:
                raise UnfitError("its Go is older than 1.18")
    return {}


def _named(elf: Elf, table: int) -> dict[str, Function]:
    """The wanted functions of the table at an offset of the file (internal/abi: PCHeader, functab, _func)."""
    count, _, _, names, names_end, _, _, index = struct.unpack("<8Q", elf.raw[table + 8 : table + 72])
    if not 0 < count < _MOST_FUNCTIONS:
        return {}
    rows = elf.rows(_WORD, table + index, 2 * count + 1)
    starts, descriptions = rows[0::2], rows[1::2] // 4
    words = elf.rows(_WORD, table + index, int(descriptions.max()) + 2)
    named = words[descriptions + 1]
    found = {}
    for name in _WANTED:
        at = elf.raw.find(f"\0{name}\0".encode(), table + names, table + names_end) + 1 - table - names
        for row in np.flatnonzero(named == at) if at > 0 else ():
            found[name] = Function(int(starts[row]), int(starts[row + 1]) - int(starts[row]))
    return found


def _beginning(elf: Elf, found: dict[str, Function]) -> int:
    """The address of Go's code: there a wrapper of a handshake calls what it wraps."""
    text = elf.section(".text")
    wrapped = [(found[f"{name}-fm"], found[name]) for name in _HANDSHAKES if {f"{name}-fm", name} <= found.keys()]
    if text is None or not wrapped:
        raise UnfitError("its handshakes begin in a way that is not known")
    first = int(text["address"])
    for beginning in range(first, first + _MOST_BEFORE, _ALIGNED):
        if len(_calls(elf, beginning, *wrapped[0])) == 1:
            return beginning
    raise UnfitError("its code is not where its table of functions says")


def _calls(elf: Elf, beginning: int, caller: Function, callee: Function) -> list[int]:
    """The addresses at which one function calls another."""
    address = beginning + caller.start
    code = elf.code(address, min(caller.size, _LARGEST))
    return [at for at, to in calls(code, address) if to == beginning + callee.start]

"""Where in a file OpenSSL's functions lie.

Nothing is known of the library but its public functions. Its two for each direction call one internal function,
at which a probe costs a fraction: its first instruction is mostly a `push`, which the kernel emulates.
"""

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.kernel.elf import EMULATED, Elf, Places, UnfitError, calls

RETURNED, FOURTH, FIFTH, WRITES = 0, 1, 2, 4
"""Where a function leaves how much was moved, enum cookie of bpf/clear.bpf.c; and whether it writes."""

_WANTED = (
    *("SSL_read", "SSL_write", "SSL_set_connect_state", "SSL_set_accept_state", "SSL_do_handshake"),
    *("SSL_read_ex", "SSL_write_ex", "SSL_write_ex2"),
)
_NEEDED = _WANTED[:5]
_SMALL = 64  # bytes of a function that does little more than call another
_LOOK = 256  # bytes of a function in which its calls are looked for

# Instructions that leave arguments and stack as they are: endbr64, test rdi, test edx, mov imm to eax, cmpq at rdi
_BEFORE = re.compile(rb"(?:\xf3\x0f\x1e\xfa|\x48\x85\xff|\x85\xd2|\xb8.{4}|\x48\x83\x7f..)*", re.DOTALL)

_SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_SYMTAB, _DYNSYM = 2, 11


class Symbol(NamedTuple):
    """A function of a file: its address, its size, and the section that it is in."""

    address: int
    size: int
    section: int


def places(elf: Elf) -> tuple[Places, ...]:
    """What can be attached, in the order in which it has to be; () where a file does not hold OpenSSL.

    Raises UnfitError where something of it is missing, ValueError and struct.error where the file makes no sense.
    """
    found = _symbols(elf)
    if not {"SSL_read", "SSL_write"} <= found.keys():
        return ()
    missing = [name for name in _NEEDED if name not in found]
    if missing:
        raise UnfitError(f"it has no {missing[0]}")
    dear: list[str] = []
    moving: list[tuple[int, int]] = []
    last = "SSL_write_ex2" if "SSL_write_ex2" in found else "SSL_write_ex"
    written = FIFTH if last == "SSL_write_ex2" else FOURTH
    for name, other, cookie in (("SSL_read", "SSL_read_ex", FOURTH), ("SSL_write", last, written | WRITES)):
        inner = _inner(elf, found[name], found[other]) if other in found else None
        if inner is not None:
            moving.append((_place(elf, inner, f"what {name} calls", dear), cookie))
            continue
        bit = cookie & WRITES
        for one, where in ((name, RETURNED), (f"{name}_ex", FOURTH), (f"{name}_ex2", FIFTH)):
            if one in found:
                moving.append((_place(elf, found[one].address, one, dear), where | bit))
    begins = {_place(elf, found[name].address, name, []) for name in _WANTED[2:4]}
    handshake = _place(elf, found["SSL_do_handshake"].address, "SSL_do_handshake", [])
    offsets, cookies = tuple(one for one, _ in moving), tuple(one for _, one in moving)
    return (
        Places("rubin_clear_begin", tuple(begins)),
        Places("rubin_clear_handshake", (handshake,)),
        Places("rubin_clear_return", offsets, returns=True),
        Places("rubin_clear_call", offsets, cookies, dear=tuple(dear)),
    )


def _symbols(elf: Elf) -> dict[str, Symbol]:
    """The wanted functions that are defined here, by name."""
    found: dict[str, Symbol] = {}
    for table in elf.sections[np.isin(elf.sections["kind"], (_DYNSYM, _SYMTAB))]:
        names = elf.sections[int(table["link"])]
        start, size = int(names["offset"]), int(names["size"])
        if elf.raw.find(b"SSL_read\0", start, start + size) < 0:
            continue
        symbols = elf.rows(_SYMBOL, int(table["offset"]), int(table["size"]) // _SYMBOL.itemsize)
        symbols = symbols[(symbols["section"] != 0) & (symbols["info"] & 15 == 2)]  # defined functions
        texts = elf.raw[start : start + size]
        for name in _WANTED:
            if name not in found and (defined := _named(symbols, name, texts)):
                found[name] = defined[0]
    return found


def _named(symbols: npt.NDArray[np.void], name: str, texts: bytes) -> list[Symbol]:
    """Those of the symbols that have a name; in a table of names one may be the end of another."""
    found, at = [], -1
    while (at := texts.find(name.encode() + b"\0", at + 1)) >= 0:
        found.append(at)
    return [
        Symbol(int(one["value"]), int(one["size"]), int(one["section"]))
        for one in symbols[np.isin(symbols["name"], np.array(found, np.uint32))]
    ]


def _inner(elf: Elf, large: Symbol, small: Symbol) -> int | None:
    """The one function that both call: what does the work of both. `small` has to be little else than that call."""
    if small.size > _SMALL or large.section != small.section:
        return None
    common = _called(elf, large) & _called(elf, small)
    return common.pop() if len(common) == 1 else None


def _called(elf: Elf, function: Symbol) -> set[int]:
    """Addresses in its own section that it seems to call."""
    section = elf.sections[function.section]
    first, code = int(section["address"]), elf.code(function.address, min(function.size, _LOOK))
    return {to for _, to in calls(code, function.address) if first <= to < first + int(section["size"])}


def _place(elf: Elf, address: int, name: str, dear: list[str]) -> int:
    """The offset in the file of the first place in a function that costs little, else of its beginning."""
    code = elf.code(address, 32)
    before = _BEFORE.match(code)
    skipped = before.end() if before else 0
    if EMULATED.match(code, skipped):
        return elf.offset(address) + skipped
    dear.append(name)
    return elf.offset(address)

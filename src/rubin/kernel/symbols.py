"""Kernel addresses to function names, from /proc/kallsyms, read once and when first asked."""

import re
from collections.abc import Iterable
from functools import cached_property

import numpy as np
import numpy.typing as npt

_FARTHEST_BYTES = 1 << 20  # an address farther than this behind a symbol is not in its function
_TEXT = np.frombuffer(b"tTwW", np.uint8)
_NAME = 19  # "ffffffff81000000 T name": where the name begins


class Symbols:
    """Names of functions by address; "" where the kernel hides them (kernel.kptr_restrict, no CAP_SYSLOG)."""

    def __init__(self, path: str = "/proc/kallsyms") -> None:
        self._path = path

    @cached_property
    def _functions(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], bytes]:
        """Addresses in order, where their lines begin, the text: 120,000 names without an object for each."""
        with open(self._path, "rb") as file:
            text = file.read()
        raw = np.frombuffer(text, np.uint8)
        starts = np.concatenate([[0], np.flatnonzero(raw == ord("\n")) + 1])
        starts = starts[starts + _NAME < len(raw)]
        starts = starts[np.isin(raw[starts + 17], _TEXT)]
        addresses = _hexadecimal(raw[starts[:, None] + np.arange(16)])
        order = np.argsort(addresses, kind="stable")
        order = order[addresses[order] != 0]
        return addresses[order], starts[order], text

    def read(self) -> bool:
        """Read the list, if it was not yet; False where the kernel hides the addresses."""
        return len(self._functions[0]) > 0

    def name(self, address: int) -> str:
        """`tcp_v4_rcv+0x8c` of an address, "" where it is not known."""
        addresses, starts, text = self._functions
        index = int(np.searchsorted(addresses, np.uint64(address), "right")) - 1 if address else -1
        if index < 0 or address - int(addresses[index]) > _FARTHEST_BYTES:
            return ""
        begin = int(starts[index]) + _NAME
        name = text[begin : text.index(b"\n", begin)].split(b"\t")[0].decode()
        return f"{name}+{address - int(addresses[index]):#x}"

    def ranges(self, functions: Iterable[str]) -> list[tuple[int, int]]:
        """(start, end) of functions, and of the parts that the compiler made of them (`NAME.cold`).

        One that this kernel has not is left out; none where it hides the addresses.
        """
        addresses, _, text = self._functions
        found = []
        for name in functions:
            for match in re.finditer(rb" %b(?:\.[^\t\n]+)?[\t\n]" % re.escape(name.encode()), text):
                start = int(text[match.start() - 18 : match.start() - 2], 16)
                index = int(np.searchsorted(addresses, np.uint64(start), "right"))
                if start and text[match.start() - 1] in _TEXT and index < len(addresses):
                    found.append((start, int(addresses[index])))
        return found


def _hexadecimal(digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """(n, 16) ASCII to (n,) uint64."""
    return np.frombuffer(bytes.fromhex(digits.tobytes().decode("ascii")), ">u8").astype(np.uint64)

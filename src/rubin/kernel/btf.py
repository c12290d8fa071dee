"""Types as BTF knows them: the running kernel's, or an object's. libbpf parses, we ask.

Layout of struct btf_type and its members: Documentation/bpf/btf.rst.
"""

import ctypes
import struct
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from rubin.errors import UnsupportedError
from rubin.kernel.libbpf import Object, library

_INT, _POINTER, _ARRAY, _STRUCT, _ENUM, _FUNCTION, _PROTOTYPE, _ENUM64 = 1, 2, 3, 4, 6, 12, 13, 19
_SECTION, _TYPEDEF, _MODIFIERS = 15, 8, {8, 9, 10, 11, 18}  # typedef, volatile, const, restrict, type_tag


class Types:
    """The types of one BTF; a context manager, for the kernel's take some megabytes.

    Answers are empty or None where a name is not known, never an error.
    """

    def __init__(self, handle: int, owned: bool) -> None:
        self._lib = library()
        self._handle, self._owned = handle, owned

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free what was parsed."""
        if self._owned and self._handle:
            self._lib.btf__free(self._handle)
        self._handle = 0

    def has_function(self, name: str) -> bool:
        """Whether the kernel has a function, or kfunc, of this name."""
        return self._find(name, _FUNCTION) > 0

    def has_struct(self, name: str) -> bool:
        """Whether there is a struct of this name."""
        return self._find(name, _STRUCT) > 0

    def has_tracepoint(self, name: str) -> bool:
        """Whether there is a BTF tracepoint of this name."""
        return self._find(f"btf_trace_{name}", _TYPEDEF) > 0

    def tracepoint_arguments(self, name: str) -> int:
        """How many arguments a tracepoint passes on, -1 where there is none of this name."""
        number = self._find(f"btf_trace_{name}", _TYPEDEF)
        if number <= 0:
            return -1
        pointer = self._type(number)[2]
        return (self._type(self._type(pointer)[2])[1] & 0xFFFF) - 1  # the first is the context itself

    def enum(self, name: str) -> dict[int, str]:
        """The names of an enum by their values."""
        number, wide = self._find(name, _ENUM), False
        if number <= 0:
            number, wide = self._find(name, _ENUM64), True
        if number <= 0:
            return {}
        form = struct.Struct("=III" if wide else "=II")
        values = (form.unpack(raw) for raw in self._members(number, form.size))
        return {row[1] | (row[2] << 32 if wide else 0): self._name(row[0]) for row in values}

    def members(self, name: str) -> dict[str, tuple[int, int]]:
        """The members of a struct: (offset, size) in bytes by name; {} where there is no such struct.

        Those of structs and unions without a name are among them, as in C.
        """
        number = self._find(name, _STRUCT)
        return dict(self._named(number, 0)) if number > 0 else {}

    def _named(self, number: int, start: int) -> Iterator[tuple[str, tuple[int, int]]]:
        for raw in self._members(number, 12):
            text, kind, bits = struct.unpack("=III", raw)
            offset, name = start + (bits & 0xFFFFFF) // 8, self._name(text)
            if name:
                yield name, (offset, self._size(kind))
            else:
                yield from self._named(kind, offset)

    def variables(self, section: str) -> dict[str, tuple[int, int]]:
        """The variables of a section (`.rodata`): (offset, size) in bytes by name; {} where there is none."""
        number = self._find(section, _SECTION)
        if number <= 0:
            return {}
        rows = (struct.unpack("=III", raw) for raw in self._members(number, 12))
        return {self._name(self._type(variable)[0]): (offset, size) for variable, offset, size in rows}

    def size(self, name: str) -> int:
        """The size of a struct in bytes, 0 where there is none."""
        number = self._find(name, _STRUCT)
        return self._size(number) if number > 0 else 0

    def _find(self, name: str, kind: int) -> int:
        return int(self._lib.btf__find_by_name_kind(self._handle, name.encode(), kind)) if self._handle else 0

    def _type(self, number: int) -> tuple[int, int, int]:
        """(name offset, info, size or type)."""
        raw = ctypes.string_at(self._lib.btf__type_by_id(self._handle, number), 12)
        name, info, size = struct.unpack("=III", raw)
        return name, info, size

    def _members(self, number: int, stride: int) -> list[bytes]:
        count = self._type(number)[1] & 0xFFFF
        raw = self._tail(number, count * stride)
        return [raw[i * stride : (i + 1) * stride] for i in range(count)]

    def _name(self, offset: int) -> str:
        return str(self._lib.btf__name_by_offset(self._handle, offset).decode())

    def _size(self, number: int) -> int:
        _, info, size = self._type(number)
        kind = info >> 24 & 0x1F
        if kind in _MODIFIERS:
            return self._size(size)
        if kind == _POINTER:
            return 8
        if kind == _ARRAY:
            element, _, count = struct.unpack("=III", self._tail(number, 12))
            return self._size(int(element)) * int(count)
        return size

    def _tail(self, number: int, size: int) -> bytes:
        """What follows a type's own 12 bytes."""
        return ctypes.string_at(self._lib.btf__type_by_id(self._handle, number) + 12, size)


def of_kernel() -> Types:
    """The running kernel's types (/sys/kernel/btf/vmlinux). Raises UnsupportedError where it has none."""
    handle = library().btf__load_vmlinux_btf()
    if not handle:
        raise UnsupportedError(
            "this kernel has no BTF (/sys/kernel/btf/vmlinux)",
            "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, as distributions do",
        )
    return Types(handle, owned=True)


def of_object(item: Object) -> Types:
    """The types of a compiled object, as long as it is open."""
    return Types(item.btf(), owned=False)

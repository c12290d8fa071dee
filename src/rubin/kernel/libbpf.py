"""The system's libbpf, bound by ctypes: open, prepare and load an object; use its programs and maps."""

import ctypes
import re
from collections import deque
from collections.abc import Iterator, Sequence
from ctypes import POINTER, c_bool, c_char_p, c_int, c_size_t, c_uint32, c_void_p
from functools import cache

from rubin.errors import RubinError, UnsupportedError
from rubin.kernel.maps import Map
from rubin.kernel.syscall import check_machine

_FUNCTIONS: dict[str, tuple[object, tuple[object, ...]]] = {
    "libbpf_version_string": (c_char_p, ()),
    "libbpf_set_print": (c_void_p, (c_void_p,)),
    "libbpf_probe_bpf_helper": (c_int, (c_int, c_int, c_void_p)),
    "libbpf_probe_bpf_prog_type": (c_int, (c_int, c_void_p)),
    "libbpf_probe_bpf_map_type": (c_int, (c_int, c_void_p)),
    "bpf_object__open_mem": (c_void_p, (c_char_p, c_size_t, c_void_p)),
    "bpf_object__load": (c_int, (c_void_p,)),
    "bpf_object__close": (None, (c_void_p,)),
    "bpf_object__next_program": (c_void_p, (c_void_p, c_void_p)),
    "bpf_object__next_map": (c_void_p, (c_void_p, c_void_p)),
    "bpf_program__name": (c_char_p, (c_void_p,)),
    "bpf_program__section_name": (c_char_p, (c_void_p,)),
    "bpf_program__set_autoload": (c_int, (c_void_p, c_bool)),
    "bpf_program__autoload": (c_bool, (c_void_p,)),
    "bpf_program__set_log_buf": (c_int, (c_void_p, c_void_p, c_size_t)),
    "bpf_program__set_expected_attach_type": (c_int, (c_void_p, c_int)),
    "bpf_program__fd": (c_int, (c_void_p,)),
    "bpf_map__name": (c_char_p, (c_void_p,)),
    "bpf_map__fd": (c_int, (c_void_p,)),
    "bpf_map__reuse_fd": (c_int, (c_void_p, c_int)),
    "bpf_map__type": (c_int, (c_void_p,)),
    "bpf_map__key_size": (c_uint32, (c_void_p,)),
    "bpf_map__value_size": (c_uint32, (c_void_p,)),
    "bpf_map__max_entries": (c_uint32, (c_void_p,)),
    "bpf_map__set_max_entries": (c_int, (c_void_p, c_uint32)),
    "bpf_map__is_internal": (c_bool, (c_void_p,)),
    "bpf_map__initial_value": (c_void_p, (c_void_p, POINTER(c_size_t))),
    "btf__load_vmlinux_btf": (c_void_p, ()),
    "btf__new": (c_void_p, (c_char_p, c_uint32)),
    "btf__free": (None, (c_void_p,)),
    "btf__find_by_name_kind": (c_int, (c_void_p, c_char_p, c_uint32)),
    "btf__type_by_id": (c_void_p, (c_void_p, c_uint32)),
    "btf__name_by_offset": (c_char_p, (c_void_p, c_uint32)),
    "bpf_object__btf": (c_void_p, (c_void_p,)),
}
_PRINTER = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)
_LOG_BYTES = 1 << 18
_M_ARENA_MAX = -8  # mallopt(3)
# What libbpf before 1.3 does not know by the section, and older kernels do not look at (BPF_TRACE_UPROBE_MULTI)
_ATTACH_TYPES = {"uprobe": 48, "uretprobe": 48}
_FAILED = re.compile(r"prog '([^']+)': (?:BPF program load failed|failed to|-- BEGIN|missing|relo #)")

messages: deque[str] = deque(maxlen=200)
"""What libbpf said last, oldest first; the reason of a failure is among it."""


def _keep_message(level: int, form: bytes, arguments: int) -> int:
    if level > 1:  # LIBBPF_DEBUG
        return 0
    text = ctypes.create_string_buffer(2048)
    length = int(ctypes.CDLL(None).vsnprintf(text, c_size_t(len(text)), form, c_void_p(arguments)))
    messages.append(text.value.decode(errors="replace").rstrip())
    return length


_printer = _PRINTER(_keep_message)  # libbpf keeps the pointer, so it must never be collected


@cache
def library() -> ctypes.CDLL:
    """The loaded library with every signature declared. Raises UnsupportedError where there is none."""
    check_machine()
    try:
        lib = ctypes.CDLL("libbpf.so.1", use_errno=True)
    except OSError as error:
        raise UnsupportedError(
            "the library libbpf.so.1 is not installed", "apt-get install libbpf1 (Fedora: dnf install libbpf)"
        ) from error
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    lib.libbpf_set_print(ctypes.cast(_printer, c_void_p))
    return lib


def share_heap() -> None:
    """Let threads to come take from one C heap: in one of its own each would keep what loading leaves (mallopt(3))."""
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def trim() -> None:
    """Give the C heap's free pages back: parsing the kernel's BTF leaves tens of megabytes there (malloc_trim(3))."""
    ctypes.CDLL(None).malloc_trim(c_size_t(0))


def why() -> str:
    """What libbpf said last, one line a message."""
    return "\n".join(messages)[-2000:]


class _OpenOptions(ctypes.Structure):
    """struct bpf_object_open_opts, as far as we fill it; `size` tells libbpf how far that is."""

    _fields_ = (("size", c_size_t), ("name", c_char_p))


class RefusedError(UnsupportedError):
    """The kernel refused a program, or libbpf could not fit it to this kernel.

    `program` is its name, "" if not known; `log` the end of what the verifier, or libbpf, said.
    """

    def __init__(self, program: str, sentence: str, log: str) -> None:
        super().__init__(sentence)
        self.program, self.log = program, log


def _reason(messages_: Sequence[str], log: str) -> str:
    """The line that says why: the verifier's last before its figures, or libbpf's first that tells of a failure."""
    verdicts = [
        line for line in log.strip().splitlines() if not line.startswith(("processed", ";", "verification time"))
    ]
    told = [text for text in messages_ if _FAILED.search(text)] or list(messages_)
    return verdicts[-1] if verdicts else (told or [""])[0].removeprefix("libbpf: ")


class Object:
    """A compiled BPF object: opened, prepared (`skip`, `share`, `set_rodata`, `set_max_entries`), then loaded."""

    def __init__(self, image: bytes, name: str) -> None:
        """Raises RubinError where `image` is no BPF object."""
        self.name = name
        self._lib = library()
        self._image = image
        options = _OpenOptions(ctypes.sizeof(_OpenOptions), name.encode())
        messages.clear()
        self._object = self._lib.bpf_object__open_mem(image, len(image), ctypes.byref(options))
        if not self._object:
            raise RubinError(
                f"the BPF object '{name}' cannot be opened: {why()}", "build the objects again: ./dev run does it"
            )
        self._programs = {self._lib.bpf_program__name(p).decode(): p for p in self._each("bpf_object__next_program")}
        self._maps = {self._lib.bpf_map__name(m).decode(): m for m in self._each("bpf_object__next_map")}
        self._logs = {program: ctypes.create_string_buffer(_LOG_BYTES) for program in self._programs}
        for program, log in self._logs.items():
            self._lib.bpf_program__set_log_buf(self._programs[program], ctypes.addressof(log), _LOG_BYTES)
            if self.section(program) in _ATTACH_TYPES:
                kind = _ATTACH_TYPES[self.section(program)]
                self._lib.bpf_program__set_expected_attach_type(self._programs[program], kind)

    def _each(self, step: str) -> Iterator[int]:
        item = getattr(self._lib, step)(self._object, None)
        while item:
            yield item
            item = getattr(self._lib, step)(self._object, item)

    @property
    def programs(self) -> list[str]:
        """The names of all programs in the object, loaded or skipped."""
        return list(self._programs)

    @property
    def maps(self) -> list[str]:
        """The names of all maps in the object, those of its own sections included."""
        return list(self._maps)

    def section(self, program: str) -> str:
        """Where the program attaches, as its source says: `cgroup_skb/egress`, `tp_btf/kfree_skb`."""
        return str(self._lib.bpf_program__section_name(self._programs[program]).decode())

    def skip(self, program: str) -> None:
        """Leave this program out when loading."""
        self._lib.bpf_program__set_autoload(self._programs[program], False)

    def loads(self, program: str) -> bool:
        """Whether the program is (to be) loaded."""
        return bool(self._lib.bpf_program__autoload(self._programs[program]))

    def share(self, name: str, fd: int) -> None:
        """Use the map of another object under this name. Raises RubinError where the two differ."""
        if self._lib.bpf_map__reuse_fd(self._maps[name], fd):
            raise RubinError(
                f"map '{name}' of the BPF object '{self.name}' is not the one that the other objects have",
                "build the objects again",
            )

    def set_max_entries(self, name: str, entries: int) -> None:
        """The size of a map: elements, or bytes of a ring."""
        self._lib.bpf_map__set_max_entries(self._maps[name], entries)

    def is_internal(self, name: str) -> bool:
        """True of maps that stand for the object's own sections (.rodata, .bss)."""
        return bool(self._lib.bpf_map__is_internal(self._maps[name]))

    def rodata(self) -> ctypes.Array[ctypes.c_char] | None:
        """The constants as they will be loaded, to be written in place before `load`; None where there are none."""
        for name, pointer in self._maps.items():
            if name.endswith(".rodata"):
                size = c_size_t()
                address = self._lib.bpf_map__initial_value(pointer, ctypes.byref(size))
                return (ctypes.c_char * size.value).from_address(address) if address else None
        return None

    def btf(self) -> int:
        """The object's own BTF, for `btf.Types`; it lives as long as the object."""
        return int(self._lib.bpf_object__btf(self._object) or 0)

    def load(self) -> None:
        """Load maps and programs into the kernel. Raises RefusedError; the object can then only be closed."""
        messages.clear()
        failure = self._lib.bpf_object__load(self._object)
        if not failure:
            self._logs.clear()
            return
        program = next((found[1] for found in map(_FAILED.search, messages) if found), "")
        log = self._logs[program].value.decode(errors="replace") if program in self._logs else ""
        sentence = f"the kernel refuses {program or self.name} (error {-failure}): {_reason(messages, log)}"
        raise RefusedError(program, sentence, "\n".join((log or why()).strip().splitlines()[-20:]))

    def program_fd(self, program: str) -> int:
        """The descriptor of a loaded program; it lives as long as the object."""
        return int(self._lib.bpf_program__fd(self._programs[program]))

    def map(self, name: str) -> Map:
        """A loaded map; its descriptor lives as long as the object. Raises KeyError."""
        pointer, lib = self._maps[name], self._lib
        sizes = lib.bpf_map__key_size(pointer), lib.bpf_map__value_size(pointer), lib.bpf_map__max_entries(pointer)
        return Map(name, lib.bpf_map__fd(pointer), lib.bpf_map__type(pointer), *sizes)

    def close(self) -> None:
        """Give up programs and maps; what is attached or shared stays until its own descriptor goes."""
        if self._object:
            self._lib.bpf_object__close(self._object)
            self._object = None

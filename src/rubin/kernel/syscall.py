"""bpf(2) itself, for what the system's libbpf may be too old to know: links, statistics, info.

Numbers and layouts: include/uapi/linux/bpf.h, which never changes what it once said. Every
function raises OSError with the kernel's errno.
"""

import ctypes
import os
import platform
import struct
import sys
from dataclasses import dataclass

from rubin.errors import UnsupportedError

_MAP_CREATE, _PROG_LOAD = 0, 5
_BPF = 321  # the number of bpf(2) on x86-64
_OBJ_GET_INFO_BY_FD, _RAW_TRACEPOINT_OPEN, _LINK_CREATE, _ENABLE_STATS, _ITER_CREATE = 15, 17, 28, 32, 33
_PROG_RUN, _PROG_GET_NEXT_ID, _PROG_GET_FD_BY_ID = 10, 11, 13

CGROUP_INET_INGRESS, CGROUP_INET_EGRESS = 0, 1
TRACE_ITER = 28
TCX_INGRESS, TCX_EGRESS = 46, 47

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def check_machine() -> None:
    """Raises UnsupportedError where neither the layouts nor the ring's memory order are known to hold."""
    if sys.maxsize < 2**32 or platform.machine() not in ("x86_64", "AMD64"):
        raise UnsupportedError(
            f"the kernel's rings are read in place, which is right on 64-bit x86 only, not on {platform.machine()}",
            "rubin replay FILE works on every machine",
        )


def bpf(command: int, attributes: bytes | bytearray) -> int:
    """What the kernel answers to one command, >= 0; a new descriptor for most.

    A bytearray is used in place: it holds what the kernel wrote into it, also after an error.
    """
    shape = ctypes.c_char * len(attributes)
    buffer = shape.from_buffer(attributes) if isinstance(attributes, bytearray) else shape.from_buffer_copy(attributes)
    answer = int(_libc.syscall(ctypes.c_long(_BPF), ctypes.c_long(command), buffer, ctypes.c_long(len(attributes))))
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer


def program_load(program_type: int, instructions: bytes) -> int:
    """The descriptor of a program out of instructions, for probes."""
    code, licence = ctypes.create_string_buffer(instructions), ctypes.create_string_buffer(b"Dual BSD/GPL")
    addresses = ctypes.addressof(code), ctypes.addressof(licence)
    return bpf(_PROG_LOAD, struct.pack("=IIQQ48x", program_type, len(instructions) // 8, *addresses))


def map_create(kind: int, key_size: int, value_size: int, entries: int, flags: int = 0) -> int:
    """The descriptor of a new map without BTF, for probes."""
    return bpf(_MAP_CREATE, struct.pack("=IIIII", kind, key_size, value_size, entries, flags))


def link_create(program_fd: int, target: int, attach_type: int, flags: int = 0) -> int:
    """The descriptor of a link; the attachment lives as long as it. `target`: cgroup fd or interface index."""
    return bpf(_LINK_CREATE, struct.pack("=IIII16x", program_fd, target, attach_type, flags))


def raw_tracepoint_open(program_fd: int) -> int:
    """The descriptor of a link of a BTF tracepoint program, which names its tracepoint itself."""
    return bpf(_RAW_TRACEPOINT_OPEN, struct.pack("=QI4x", 0, program_fd))


def iterator_link(program_fd: int, map_fd: int | None = None) -> int:
    """The descriptor of an iterator's link; `map_fd` for iterators over one map's elements."""
    if map_fd is None:
        return bpf(_LINK_CREATE, struct.pack("=IIII16x", program_fd, 0, TRACE_ITER, 0))
    info = ctypes.create_string_buffer(struct.pack("=I12x", map_fd))
    return bpf(_LINK_CREATE, struct.pack("=IIIIQI4x", program_fd, 0, TRACE_ITER, 0, ctypes.addressof(info), 16))


def iterator_create(link_fd: int) -> int:
    """A descriptor that runs the iterator once as it is read to its end."""
    return bpf(_ITER_CREATE, struct.pack("=II", link_fd, 0))


def enable_stats() -> int:
    """A descriptor; while it is open the kernel times every run of every program (about 20 ns a run)."""
    return bpf(_ENABLE_STATS, struct.pack("=I", 0))


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """What the kernel knows of a loaded program; the run figures stand still unless statistics are on."""

    id: int
    type: int
    name: str
    run_time_ns: int
    run_count: int
    verified_instructions: int
    """What the verifier had to look at, of a million at most: each instruction as often as in another state (5.16)."""


def program_info(program_fd: int) -> ProgramInfo:
    """Facts of a loaded program (struct bpf_prog_info)."""
    info = ctypes.create_string_buffer(232)
    bpf(_OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", program_fd, len(info), ctypes.addressof(info)))
    kind, number = struct.unpack_from("=II", info.raw, 0)
    name = info.raw[64:80].split(b"\0")[0].decode()
    run_time_ns, run_count, _, verified = struct.unpack_from("=QQQI", info.raw, 192)
    return ProgramInfo(number, kind, name, run_time_ns, run_count, verified)


def program_ids() -> list[int]:
    """The ids of all programs that this kernel holds, ours or not. Needs CAP_SYS_ADMIN."""
    ids: list[int] = []
    attributes = bytearray(12)
    while True:
        struct.pack_into("=I", attributes, 0, ids[-1] if ids else 0)
        try:
            bpf(_PROG_GET_NEXT_ID, attributes)
        except FileNotFoundError:
            return ids
        ids.append(struct.unpack_from("=I", attributes, 4)[0])


def program_fd(number: int) -> int:
    """A descriptor of the program with this id."""
    return bpf(_PROG_GET_FD_BY_ID, struct.pack("=III", number, 0, 0))


def run(program: int, packet: bytes, repeat: int = 1, context: bytes = b"") -> tuple[int, int]:
    """(answer, mean ns a run) of a program run on a packet by BPF_PROG_RUN.

    `packet` begins with its Ethernet header; `context` is a struct __sk_buff as the program shall find it.
    """
    data, extra = (
        ctypes.create_string_buffer(packet, len(packet)),
        ctypes.create_string_buffer(context, len(context) or 1),
    )
    attributes = bytearray(
        struct.pack(
            "=IIIIQQIIIIQQIII4x",
            *(program, 0, len(packet), 0, ctypes.addressof(data), 0, repeat, 0),
            *(len(context), 0, ctypes.addressof(extra) if context else 0, 0, 0, 0, 0),
        )
    )
    bpf(_PROG_RUN, attributes)
    answer, duration_ns = struct.unpack_from("=I28xI", attributes, 4)
    return answer, duration_ns

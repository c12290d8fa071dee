"""The programs of bpf/clear.bpf.c at functions of TLS libraries, a link for each and a file (uprobe_multi, 6.6)."""

import ctypes
import errno
import os
import signal
import struct
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from rubin.kernel import btf, golang
from rubin.kernel.attach import Links
from rubin.kernel.elf import Places, UnfitError
from rubin.kernel.objects import Objects
from rubin.kernel.syscall import bpf

OBJECT = "clear"
PROGRAMS = ("rubin_clear_call", "rubin_clear_return", "rubin_clear_begin", "rubin_clear_handshake")
GO = golang.PROGRAM
TRACEPOINTS = ("rubin_clear_sent", "rubin_clear_received")

_LINK_CREATE, _UPROBE_MULTI, _RETURN = 28, 48, 1
_ENOTSUPP = 524
_URETPROBE = 335  # the system call by which a function with a return probe comes back (Linux 6.11, x86-64)
_SECCOMP, _NO_NEW_PRIVILEGES, _DUMPABLE, _FILTER = 22, 38, 4, 2
_DETACHERS = 16  # a detach waits for a grace period of the kernel, which others may share


def skips() -> dict[str, str]:
    """Programs that this kernel cannot run: all or none of them. "" where another one says why."""
    with btf.of_kernel() as types:
        lacks = [
            f"this kernel has no {name} (it is older than {since})"
            for name, since, has in (
                ("tracepoints of what sockets send and receive", "6.3", types.has_tracepoint("sock_recv_length")),
                ("links of many user probes", "6.6", types.has_struct("bpf_uprobe_multi_link")),
            )
            if not has
        ]
        returns_by_call = types.has_function("__x64_sys_uretprobe")
    if not lacks and returns_by_call and not passes_filters():
        lacks.append("in this kernel it would kill processes that have a seccomp filter (mended in 6.12.14 and 6.13.3)")
    return {name: lacks[0] if name == PROGRAMS[0] else "" for name in (*PROGRAMS, GO, *TRACEPOINTS)} if lacks else {}


def passes_filters() -> bool:
    """Whether a probed function comes back in a process that has a seccomp filter, where it does so by a system call.

    It does since 6.11, and filters knew nothing of that call until it was let past them (kernel commit cf6cb56ef244,
    "seccomp: passthrough uretprobe systemcall without filtering"): it killed. A child tries: out of place the call
    ends it by SIGILL, if it is let past.
    """
    libc = ctypes.CDLL(None)
    instructions = struct.pack(
        "=HBBIHBBIHBBIHBBI",
        *(0x20, 0, 0, 0),  # the number of the call
        *(0x15, 0, 1, _URETPROBE),  # is it this one?
        *(0x06, 0, 0, 0x50001),  # SECCOMP_RET_ERRNO
        *(0x06, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
    )
    code = ctypes.create_string_buffer(instructions)
    program = ctypes.create_string_buffer(struct.pack("=H6xQ", 4, ctypes.addressof(code)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child calls the kernel and nothing else
        child = os.fork()
    if not child:
        libc.prctl(_DUMPABLE, 0, 0, 0, 0)  # no core of it is kept
        libc.signal(signal.SIGILL, None)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        if not libc.prctl(_SECCOMP, _FILTER, program, 0, 0):
            libc.syscall(_URETPROBE)
        os.kill(os.getpid(), signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGILL


def _link(program: int, path: str, places: Places) -> int:
    """The descriptor of a link to places in a file, for all processes. Raises OSError."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    count = len(places.offsets)
    where = (ctypes.c_uint64 * count)(*places.offsets)
    which = (ctypes.c_uint64 * count)(*(places.cookies or [0] * count))
    addresses = ctypes.addressof(name), ctypes.addressof(where), 0, ctypes.addressof(which)
    head = struct.pack("=IIII", program, 0, _UPROBE_MULTI, 0)
    flags = _RETURN if places.returns else 0
    return bpf(_LINK_CREATE, head + struct.pack("=QQQQIII4x", *addresses, count, flags, 0))


class Uprobes:
    """Attachments by file. All methods may take a while: a first one of many waits 6 to 16 ms, a detach 50."""

    def __init__(self, objects: Objects) -> None:
        self._programs = {name: fd for name, fd in objects.programs().items() if name in (*PROGRAMS, GO, *TRACEPOINTS)}
        self._files: dict[object, list[int]] = {}
        self._tracepoints = Links()

    def __len__(self) -> int:
        return len(self._files)

    def attach(self, key: object, path: str, places: Sequence[Places]) -> None:
        """Attach in a file, whatever process maps it. Raises UnfitError; nothing of it is left then."""
        runs = [one for one in places if one.program in self._programs]
        if not runs:
            raise UnfitError("this kernel has refused the program that would read it")
        links: list[int] = []
        try:
            self._follow_sockets()
            links.extend(_link(self._programs[one.program], path, one) for one in runs)
        except OSError as error:
            _close(links)
            self._leave_sockets()
            raise UnfitError(f"the kernel attaches nothing to it: {_in_words(error.errno or 0)}") from error
        self._files[key] = links

    def detach(self, keys: Sequence[object]) -> None:
        """Let files go."""
        _close([link for key in keys for link in self._files.pop(key, [])])
        self._leave_sockets()

    def _follow_sockets(self) -> None:
        """Not before there is a library: it costs everybody who uses a socket a little."""
        for name in TRACEPOINTS:
            if name not in self._tracepoints:
                self._tracepoints.attach_tracepoint(name, self._programs[name])

    def _leave_sockets(self) -> None:
        if not self._files:
            self._tracepoints.close()

    def close(self) -> None:
        """Let all go."""
        self.detach(list(self._files))


def _in_words(number: int) -> str:
    """An errno of the kernel; it has one that no program should ever see (include/linux/errno.h)."""
    if number == _ENOTSUPP:
        return "it can neither emulate nor step an instruction there (ENOTSUPP)"
    return f"{os.strerror(number)} ({errno.errorcode.get(number, number)})"


def _close(links: Sequence[int]) -> None:
    if links:
        with ThreadPoolExecutor(min(len(links), _DETACHERS)) as threads:
            list(threads.map(os.close, reversed(links)))

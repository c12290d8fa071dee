"""What this kernel can do, found by trying, never by its version."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass

from rubin.errors import UnsupportedError
from rubin.kernel import btf, cgroups, syscall

_SCHED_CLS = 3  # enum bpf_prog_type
_RING = 27  # enum bpf_map_type
_NO_INTERFACE = 0x7FFFFFFF


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing a kernel may have: since which one, what is missing without it, and why it is off here."""

    name: str
    on: bool
    since: tuple[int, int]
    costs: str
    why: str = ""


def _has_map(kind: int, key_size: int, value_size: int, entries: int) -> bool:
    try:
        os.close(syscall.map_create(kind, key_size, value_size, entries))
    except OSError as error:
        if error.errno == errno.EPERM:
            raise
        return False
    return True


def has_tcx() -> bool:
    """Whether tc programs can be links: asked of an interface that cannot be, which a kernel with tcx then misses."""
    answer_next = bytes([0xB7, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF])
    program = syscall.program_load(_SCHED_CLS, answer_next + bytes([0x95, 0, 0, 0, 0, 0, 0, 0]))
    try:
        os.close(syscall.link_create(program, _NO_INTERFACE, syscall.TCX_INGRESS))
    except OSError as error:
        return error.errno == errno.ENODEV
    finally:
        os.close(program)
    return True


def _has_statistics() -> bool:
    os.close(syscall.enable_stats())
    return True


def _has_cgroup2() -> bool:
    return bool(cgroups.mount())


def _probe(name: str, since: tuple[int, int], costs: str, ask: Callable[[], bool]) -> Feature:
    try:
        return Feature(name, ask(), since, costs)
    except UnsupportedError as error:
        return Feature(name, False, since, costs, error.sentence)
    except OSError as error:
        return Feature(name, False, since, costs, os.strerror(error.errno or 0))


def probe() -> list[Feature]:
    """All features, in the order in which a reader wants to know them."""
    found = [
        _probe("cgroup2", (4, 5), "no flows of sockets", _has_cgroup2),
        _probe("ring buffer", (5, 8), "no flows at all", lambda: _has_map(_RING, 0, 0, 4096)),
        _probe("tcx", (6, 6), "filters at clsact instead, which outlive a killed agent until the next start", has_tcx),
        _probe("program statistics", (5, 8), "the cost of the programs is not measured", _has_statistics),
    ]
    try:
        with btf.of_kernel() as types:
            return [Feature("BTF", True, (5, 4), ""), *found, *_of_types(types)]
    except UnsupportedError as error:
        return [Feature("BTF", False, (5, 4), "nothing can be loaded", error.sentence), *found]


def _of_types(types: btf.Types) -> list[Feature]:
    reasons = types.enum("skb_drop_reason")
    return [
        Feature("drop reasons", bool(reasons), (5, 17), "no packets that the kernel dropped"),
        Feature(
            "receiving socket in drops",
            types.tracepoint_arguments("kfree_skb") >= 4,
            (6, 11),
            "drops by a socket's receive side have no owner",
        ),
        Feature(
            "packets' own structures in packet programs",
            types.has_function("bpf_cast_to_kern_ctx"),
            (6, 2),
            "finding a packet's network namespace costs more",
        ),
        Feature(
            "TCP tracepoints",
            types.has_tracepoint("tcp_destroy_sock") and types.has_tracepoint("tcp_retransmit_skb"),
            (5, 5),
            "no closes and retransmits of TCP connections",
        ),
        Feature(
            "iterator over open files",
            types.has_struct("bpf_iter__task_file"),
            (5, 8),
            "sockets older than the agent have no owner",
        ),
    ]

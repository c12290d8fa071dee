"""The programs of bpf/, loaded as the agent does, for tests that run them on packets or on traffic."""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.kernel import btf, cgroups, clsact, drop_reasons, features, syscall
from rubin.kernel.attach import CGROUP, Links
from rubin.kernel.maps import Map
from rubin.kernel.netlink import Netlink
from rubin.kernel.objects import Objects
from rubin.kernel.records import RECORD
from rubin.kernel.ring import Ring
from rubin.kernel.symbols import Symbols
from rubin.model import addresses
from rubin.model.enums import TCPFlags
from tests.waiting import wait_for

Records = npt.NDArray[Any]

EMULATED = "QEMU" in Path("/proc/cpuinfo").read_text()  # all takes thirty times as long, and shows the same
TICKS = round(1 / time.clock_getres(6))  # CLOCK_MONOTONIC_COARSE steps in jiffies
TRACE, DROP, FLUSH, TCP = 1, 2, 3, 4


def acknowledged(sender: socket.socket) -> bool:
    """Whether all that was sent has arrived (tcp(7), SIOCOUTQ)."""
    return not struct.unpack("=i", fcntl.ioctl(sender, termios.TIOCOUTQ, bytes(4)))[0]


NEXT = 0xFFFFFFFF  # TCX_NEXT as PROG_TEST_RUN tells it; programs at cgroups answer 1
_TABLES = ("socket_entries", "socket_details", "interface_entries", "interface_details")


class Programs:
    """Loaded objects, their links, and the one reader of their ring."""

    def __init__(self, *names: str, **settings: int) -> None:
        settings = {**_USUAL, **settings}
        entries, ring_bytes = settings.pop("entries"), settings.pop("ring_bytes")
        values: dict[str, int | bytes] = {
            "seed": bytes(range(1, 81)),
            "socket_mask": entries - 1,
            "interface_mask": entries - 1,
            "tick_ns": round(1e9 / TICKS),
            "interval_ticks": 3600 * TICKS,
            "forget_ticks": 3600 * TICKS,
            "forget_tcp_ticks": 3600 * TICKS,
            "report_flags": 0x1FF,
            "wake_bytes": ring_bytes // 2,
            "quiet": _quiet(),
            "vxlan_port": 4789,
        }
        slots = (settings.get("lane_mask", 0) + 1) * settings.get("lane_slots", 64)
        sizes = dict.fromkeys(_TABLES, entries) | {"flows": ring_bytes, "talks": 2 * entries, "payloads": slots}
        self.objects = Objects(settings={**values, **settings}, max_entries=sizes)
        for name in names:
            assert self.objects.load(name, _one_drop() if name == "drops" else None), self.objects.refused
        assert not any(self.objects.refused.values()), self.objects.refused
        self.links = Links()
        self.lives_on = False
        self._ring = Ring(self.objects.map("flows"), RECORD)
        self._kept = np.empty(0, RECORD)

    def run(self, program: str, packet: bytes) -> int:
        """What the program answers to one packet."""
        return syscall.run(self.objects.programs()[program], packet)[0]

    def sweep(self, program: str, all_now: bool = True) -> None:
        """Idle entries tell what they hold."""
        entries = self.objects.map(program.replace("sweep_", "")[:-1] + "_entries").max_entries
        self.run(program, struct.pack("=III52x", 0, entries, all_now))

    def records(self) -> Records:
        """All records since the last call."""
        pieces = [self._kept]
        while len(records := self._ring.peek()):
            pieces.append(records.copy())
            self._ring.advance()
        self._kept = np.empty(0, RECORD)
        return np.concatenate(pieces)

    def wait(self, found: Callable[[Records], bool], what: str) -> Records:
        """All records since the last call, once they are as wanted; for real traffic."""

        def look() -> bool:
            self._kept = self.records()
            return bool(found(self._kept))

        wait_for(look, what)
        return self.records()

    def woken(self, seconds: float) -> bool:
        """Whether the kernel asks for a reader within this time."""
        return bool(self._ring.wait(seconds))

    def losses(self) -> npt.NDArray[np.uint64]:
        """(places, 3): records, packets, bytes (enum loss_place)."""
        return self._sums("losses").reshape(-1, 3)

    def tallies(self) -> list[int]:
        """By enum tally."""
        return [int(number) for number in self._sums("tallies")[:, 0]]

    def an_entry(self, table: str) -> tuple[bytes, bytes]:
        """Key and value of an entry that is in use (struct entry)."""
        entries = self.objects.map(table)
        keys = (index.to_bytes(4, "little") for index in range(entries.max_entries))
        return next((key, value) for key in keys if any((value := entries.lookup(key) or b"")[:8]))

    def _sums(self, name: str) -> npt.NDArray[np.uint64]:
        """(elements, words) of a per-CPU array of counters."""
        found = self.objects.map(name)
        values = [found.lookup(struct.pack("=I", index)) or b"" for index in range(found.max_entries)]
        words = np.frombuffer(b"".join(values), np.uint64)
        return np.asarray(words.reshape(found.max_entries, -1, found.value_size // 8).sum(axis=1))

    def attach(self) -> None:
        """Everything that attaches without an interface."""
        for name, fd in self.objects.programs().items():
            section = self.objects.section(name)
            if section in CGROUP:
                self.links.attach_cgroup(name, fd, section, cgroups.mount())
            elif section.startswith("tp_btf/"):
                self.links.attach_tracepoint(name, fd)

    def attach_to(self, interface: str) -> None:
        """Both programs at an interface of this namespace."""
        index = socket.if_nametoindex(interface)
        tcx = features.has_tcx()
        self.lives_on |= not tcx
        with closing(Netlink()) as netlink:
            if not tcx:
                clsact.remove_ours(netlink)  # a test's before this one
            for name, egress in (("rubin_ingress", False), ("rubin_egress", True)):
                program = self.objects.programs()[name]
                if tcx:
                    self.links.attach_tcx(f"{name} on {interface}", program, index, egress)
                else:
                    clsact.attach(netlink, index, program, name, egress)

    def let_go(self) -> None:
        """No packet is seen any more, but by filters of clsact, which `lives_on` says."""
        self.links.close()
        self.links = Links()

    def begin_anew(self) -> None:
        """All is as when it was loaded; what belongs to a socket or a thread has gone with it."""
        self.records()
        for one in self.objects.maps:
            _clear(one)

    def close(self) -> None:
        """Nothing is left behind."""
        self.links.close()
        self._ring.close()
        self.objects.close()


_ARRAY, _PER_CPU_ARRAY, _HASHES = 2, 6, (1, 9)  # enum bpf_map_type


def _clear(one: Map) -> None:
    if one.type in _HASHES:
        for key in list(one):
            one.delete(key)
    elif one.type == _PER_CPU_ARRAY:
        for index in range(one.max_entries):
            one.update(struct.pack("=I", index), bytes(one.element_bytes))
    elif one.name == "payloads":
        return  # its slots are known by their turns, which go on
    elif one.name == "lanes":
        for key in list(one):
            given = (one.lookup(key) or b"")[:8]
            one.update(key, given.ljust(64, b"\0") + given.ljust(64, b"\0"))
    elif one.type == _ARRAY:
        used = [keys[values.any(axis=1)] for keys, values in one.batches()]
        for key in np.concatenate(used):
            one.update(key.tobytes(), bytes(one.element_bytes))


@cache
def _quiet() -> bytes:
    """Reads all symbols of the kernel, which are the same for all programs."""
    return b"".join(struct.pack("=QQ", *one) for one in Symbols().ranges(drop_reasons.QUIET))


@cache
def _one_drop() -> dict[str, str]:
    with btf.of_kernel() as types:
        return {"rubin_drop_no_rx": ""} if types.tracepoint_arguments("kfree_skb") >= 4 else {"rubin_drop": ""}


_Wish = tuple[tuple[str, ...], tuple[tuple[str, int], ...]]
_USUAL = {"level": 3, "receive_points": 0, "entries": 1024, "ring_bytes": 1 << 22}
_idle: dict[_Wish, Programs] = {}
_MOST_IDLE = 8  # each holds some thirty descriptors, and a process may have 1,024


@contextmanager
def programs(*names: str, **settings: int) -> Iterator[Programs]:
    """Loaded programs; not attached anywhere. Kept for the next that wants the same: to load is slow in emulation."""
    wish = names, tuple(sorted({**_USUAL, **settings}.items()))
    loaded = _idle.pop(wish, None)
    if loaded:
        loaded.begin_anew()
    else:
        loaded = Programs(*names, **settings)
    try:
        yield loaded
    finally:
        loaded.let_go()
        if loaded.lives_on or wish in _idle:
            loaded.close()
        else:
            _idle[wish] = loaded
            close_idle(_MOST_IDLE)


def close_idle(but: int = 0) -> None:
    """Those that have waited longest go, but for so many."""
    while len(_idle) > but:
        _idle.pop(next(iter(_idle))).close()


@contextmanager
def attached(*names: str, **settings: int) -> Iterator[Programs]:
    """Loaded programs that see the traffic of this machine's sockets."""
    with programs(*names, **settings) as loaded:
        loaded.attach()
        yield loaded


def address(raw: npt.NDArray[np.uint8]) -> str:
    """A record's address as text."""
    high, low = addresses.mapped(raw.reshape(1, 16))
    return addresses.text(int(high[0]), int(low[0]))


def flags(number: int) -> str:
    """`SYN,ACK` of a record's flags."""
    return ",".join(flag.name or "" for flag in TCPFlags if number & flag)


def of_port(records: Records, port: int) -> Records:
    """The records to or from this port."""
    found: Records = records[(records["source_port"] == port) | (records["destination_port"] == port)]
    return found


_libc = ctypes.CDLL(None, use_errno=True)


class World:
    """Two network namespaces joined by a veth pair: 10.77.0.1 (near) and 10.77.0.2 (far); fd77::1 and fd77::2."""

    def __init__(self) -> None:
        tag = f"rubin-bpf-{os.getpid()}"
        self.near, self.far = f"{tag}-near", f"{tag}-far"
        for name in (self.near, self.far):
            _ip(f"netns add {name}")
            _ip(f"-n {name} link set lo up")
        _ip(f"link add near netns {self.near} type veth peer name far netns {self.far}")
        for number, (space, link) in enumerate(((self.near, "near"), (self.far, "far")), 1):
            _ip(f"-n {space} address add 10.77.0.{number}/24 dev {link}")
            _ip(f"-n {space} address add fd77::{number}/64 dev {link} nodad")
            _ip(f"-n {space} link set {link} up")

    @contextmanager
    def inside(self, space: str) -> Iterator[None]:
        """This thread is in the namespace: its new sockets are there."""
        before, there = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(f"/run/netns/{space}", os.O_RDONLY)
        try:
            assert _libc.setns(there, 0) == 0
            yield
        finally:
            assert _libc.setns(before, 0) == 0
            os.close(before)
            os.close(there)

    def socket(self, space: str, *kind: int) -> socket.socket:
        """A socket in the namespace."""
        with self.inside(space):
            return socket.socket(*kind)

    def close(self) -> None:
        for name in (self.near, self.far):
            _ip(f"netns delete {name}")


def _ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True, capture_output=True)


@contextmanager
def world() -> Iterator[World]:
    """A world of its own for one test."""
    built = World()
    try:
        yield built
    finally:
        built.close()

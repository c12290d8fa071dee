"""All that the agent has in the kernel: loaded by its settings, attached, followed, and let go."""

import math
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rubin.errors import RubinError, UnsupportedError
from rubin.kernel import btf, cgroups, clsact, lanes, libbpf, privileges, uprobes
from rubin.kernel.attach import CGROUP, Links, run_iterator
from rubin.kernel.drop_reasons import QUIET
from rubin.kernel.interfaces import Interfaces
from rubin.kernel.objects import COSTS, Capability, Objects
from rubin.kernel.payloads import SLOT_BYTES
from rubin.kernel.settings import LEVELS, VANTAGES, LiveSettings
from rubin.kernel.sweep import Sweep
from rubin.kernel.symbols import Symbols
from rubin.kernel.syscall import run
from rubin.kernel.watched import Watched

PACKET_PROGRAMS = ("rubin_socket_in", "rubin_socket_out", "rubin_ingress", "rubin_egress")
_COARSE = 6  # CLOCK_MONOTONIC_COARSE, whose steps are jiffies
_UNUSED_ENTRIES = 64  # of a vantage's tables where the vantage itself is not wanted
_FRAME = bytes(64)


class Probes:
    """Programs, maps and attachments. A context for one agent; `close` leaves nothing behind."""

    def __init__(self, settings: LiveSettings, symbols: Symbols) -> None:
        """Raises RubinError where nothing at all can be watched: no BTF, no libbpf, nothing built, nothing loaded."""
        self.settings, self._symbols = settings, symbols
        self.lanes = lanes.shape(settings.payloads_bytes // SLOT_BYTES)
        """Of what is said: how many, and the slots of each."""
        self._skips = _skips()
        self.objects = Objects(max_entries=self._sizes())
        self.links = Links()
        self.interfaces = Interfaces()
        self.watched: Watched | None = None
        try:
            self._load()
            self.attach()
        except BaseException:
            self.close()
            raise
        self.sweeps = self._tables()

    def _sizes(self) -> dict[str, int]:
        wanted = self.listens
        sizes = {"flows": self.settings.ring_bytes, "payloads": math.prod(self.lanes) if wanted else _UNUSED_ENTRIES}
        for vantage, name in (("socket", "sockets"), ("interface", "interfaces")):
            entries = self.settings.connections if name in self.settings.vantages else _UNUSED_ENTRIES
            sizes |= {f"{vantage}_entries": entries, f"{vantage}_details": entries}
        sizes["talks"] = sizes["socket_entries"] * (1 + self.settings.clear) if wanted else _UNUSED_ENTRIES
        return sizes

    @property
    def listens(self) -> bool:
        """Whether what is said is taken."""
        return self.settings.messages and "sockets" in self.settings.vantages

    @property
    def wants_clear(self) -> bool:
        """Whether what is said over TLS is to be taken, too: then `load_clear` is still to do."""
        return self.listens and self.settings.clear and "sockets" in self.objects.loaded

    def load_clear(self) -> bool:
        """Load what takes it, which lasts as long as all else; nobody's flows should wait for it. False: it cannot be.

        `uprobes` says where it attaches.
        """
        self.objects.load(uprobes.OBJECT, uprobes.skips())
        libbpf.trim()
        return {*uprobes.PROGRAMS, *uprobes.TRACEPOINTS} <= set(self.objects.programs())

    def _load(self) -> None:
        self.objects.load("owners")
        self.objects.settings = self._programs_settings()
        wanted = [vantage for vantage in VANTAGES if vantage in self.settings.vantages]
        for name in [*wanted, "tcp", "processes"]:
            self.objects.load(name)
        if self.settings.drops and not self.objects.load("drops", self._skips) and "rubin_drop_no_rx" in self._skips:
            self.objects.load("drops", {"rubin_drop": self.objects.refused.get("rubin_drop", "")})

    def _programs_settings(self) -> dict[str, int | bytes]:
        """struct settings of bpf/maps.h."""
        ticks = round(1 / time.clock_getres(_COARSE))
        whoami = self.objects.program("rubin_whoami")
        sizes = self._sizes()
        return {
            "seed": os.urandom(256),
            "socket_mask": sizes["socket_entries"] - 1,
            "interface_mask": sizes["interface_entries"] - 1,
            "tick_ns": round(1e9 / ticks),
            "interval_ticks": max(round(self.settings.interval_s * ticks), 1),
            "forget_ticks": 60 * ticks,
            "forget_tcp_ticks": 6 * 3600 * ticks,
            "own_pid": run(whoami, _FRAME)[0] if whoami is not None else os.getpid(),
            "report_flags": self.settings.report_flags,
            "vxlan_port": 4789,
            "level": LEVELS[self.settings.aggregation],
            "receive_points": int(self.settings.receive_points),
            "listens": int(self.listens),
            "second_ticks": ticks,
            "most_payloads": self.settings.most_payloads,
            "wake_bytes": self.settings.ring_bytes // 2,
            "lane_mask": self.lanes[0] - 1,
            "lane_slots": self.lanes[1],
            "quiet": self._quiet(),
        }

    def _quiet(self) -> bytes:
        """struct range[] of bpf/maps.h."""
        ranges = self._symbols.ranges(QUIET) if self.settings.drops else []
        return b"".join(struct.pack("=QQ", *one) for one in ranges)

    def attach(self) -> None:
        """See packets, also once more after `detach`. Raises RubinError where none can be seen."""
        clsact.remove_ours_here()  # what a killed agent left, whatever we watch ourselves
        if "sockets" in self.settings.vantages:
            self._attach_sockets()
        if "interfaces" in self.objects.loaded:
            self.watched = Watched(self.objects, self.interfaces, self.settings.interfaces)
        if not self.links.names and not self.watched:  # interfaces may still come
            reasons = "; ".join(sorted(set(self.refused.values())))
            way_on = "see what the log says of each program"
            if privileges.SYS_ADMIN not in privileges.held():
                way_on = "add CAP_SYS_ADMIN: kernels before 6.2 want it when a program asks for a function they lack"
            raise RubinError(f"nothing can be watched here: {reasons}", way_on)
        self._attach_tracepoints()
        iterator = self.objects.program("rubin_owners")
        if iterator is not None:
            run_iterator(iterator)

    def _attach_sockets(self) -> None:
        programs = [name for name in self.objects.programs() if self.objects.section(name) in CGROUP]
        try:
            root = cgroups.mount()
        except UnsupportedError as error:
            self.objects.refused |= dict.fromkeys(programs, error.sentence)
            return
        for name in programs:
            with self._refusals(name):
                fd, section = self.objects.programs()[name], self.objects.section(name)
                self.links.attach_cgroup(f"{name} at {root}", fd, section, root)

    def _attach_tracepoints(self) -> None:
        for name, fd in self.objects.programs().items():
            section = self.objects.section(name)
            if section.startswith("tp_btf/") and name not in uprobes.TRACEPOINTS:
                with self._refusals(name):
                    self.links.attach_tracepoint(f"{name} at {section.removeprefix('tp_btf/')}", fd)

    @contextmanager
    def _refusals(self, program: str) -> Iterator[None]:
        """What cannot be attached costs one capability."""
        try:
            yield
        except OSError as error:
            self.objects.refused[program] = os.strerror(error.errno or 0)

    @property
    def attached(self) -> list[str]:
        """What is attached where."""
        return self.links.names + (self.watched.names if self.watched else [])

    @property
    def refused(self) -> dict[str, str]:
        """Programs, and interfaces, that the kernel refused, and why."""
        return self.objects.refused | (self.watched.refused if self.watched else {})

    def _tables(self) -> list[Sweep]:
        found = []
        for program, table in (("sweep_sockets", "socket_entries"), ("sweep_interfaces", "interface_entries")):
            fd = self.objects.program(program)
            if fd is not None:
                found.append(Sweep(fd, self.objects.map(table).max_entries))
        return found

    def follow(self) -> None:
        """Take in what changed at the interfaces."""
        if self.interfaces.follow() and self.watched:
            self.watched.adjust()

    def capabilities(self) -> list[Capability]:
        """What works here, and what does not, why, and what is missing without it."""
        refused = self.refused
        on = [
            Capability(name, True, COSTS[name])
            for name in self.objects.programs()
            if name in COSTS and name not in refused
        ]
        off = [Capability(name, False, COSTS.get(name, "not seen"), why) for name, why in refused.items() if why]
        return on + off

    def detach(self) -> None:
        """See no more packets; maps and programs stay, so that what they hold can still be read."""
        if self.watched:
            self.watched.close()
        self.links.close()

    def close(self) -> None:
        """Detach and unload everything."""
        self.detach()
        self.interfaces.close()
        self.objects.close()


def _skips() -> dict[str, str]:
    """Programs that this kernel cannot run, found before it has to refuse them; "" where another one does the same."""
    with btf.of_kernel() as types:
        arguments = types.tracepoint_arguments("kfree_skb")
        has_reasons = bool(types.enum("skb_drop_reason"))
    if not has_reasons:
        why = "this kernel gives no reasons for drops (it is older than 5.17)"
        return {"rubin_drop": why, "rubin_drop_no_rx": why}
    return (
        {"rubin_drop_no_rx": ""} if arguments >= 4 else {"rubin_drop": "the kernel does not tell the receiving socket"}
    )

"""The kernel of this machine as a source: records from its ring, as flows."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from rubin.dissect.redaction import REDACTION, Redaction
from rubin.errors import UnsupportedError
from rubin.kernel import cgroups, drop_reasons, libbpf, privileges, processes, stats
from rubin.kernel.clock import epoch_offset_ns
from rubin.kernel.features import Feature, probe
from rubin.kernel.flows import Flows, Names
from rubin.kernel.lock import Lock
from rubin.kernel.losses import Loss, Losses, tallies
from rubin.kernel.objects import Capability
from rubin.kernel.payloads import Payloads
from rubin.kernel.probes import PACKET_PROGRAMS, Probes
from rubin.kernel.records import RECORD
from rubin.kernel.ring import Ring
from rubin.kernel.scheduling import Manners
from rubin.kernel.served import settled
from rubin.kernel.settings import LiveSettings
from rubin.kernel.symbols import Symbols
from rubin.model.batch import FlowBatch, Lost, empty
from rubin.sources.clear import Clear
from rubin.sources.listening import Listening

__all__ = ["Live", "LiveSettings", "LiveStatus", "features"]

MOST_ROWS = 32_768
"""Of a batch: the larger, the less its fixed cost weighs, and this one takes 15 ms; more is in the next one."""

_MEASURE_EVERY_S = 30  # the programs are timed for one second of so many
_APART_NS = 50_000_000  # that what is said waits for flows, at most
_PAUSE_S = 0.12  # so that a flow is visible within 0.2 s; each look costs milliseconds, however little there is
_OWN = (  # capabilities of this process: what is missing without each, and what then is the reason
    ("names of kernel functions", "drops do not say where", "without CAP_SYSLOG the kernel hides its addresses"),
    ("cost of the programs", "ns per packet is not known", "without CAP_SYS_ADMIN the kernel does not time them"),
    ("short turns", "a server on the same processor may wait for milliseconds", "the kernel gives no timer for them"),
)


@dataclass(frozen=True)
class LiveStatus:
    """What there is to say of the kernel's side, for `rubin status` and the metrics."""

    capabilities: tuple[Capability, ...]
    attached: tuple[str, ...]
    losses: dict[str, Loss]
    tallies: dict[str, int]
    records_read: int
    ring_fill: float
    ns_per_packet: float
    programs: dict[str, stats.RunCost]
    map_bytes: dict[str, int]
    refused: dict[str, str]
    messages: dict[str, float]
    """Of what is said: connections that are listened to, answers without their request, the share that is heard."""

    @property
    def kernel_bytes(self) -> int:
        """The memory of all maps."""
        return sum(self.map_bytes.values())


def features() -> list[Feature]:
    """What this kernel can do, whether an agent runs or not."""
    return probe()


class Live:
    """Iterate it for batches; `stop` (from anywhere) ends the iteration, `close` leaves nothing behind.

    One thread iterates. A batch comes every second at the least, be it empty. The iteration ends with what the tables
    still held, so that no byte is missing.
    """

    def __init__(self, settings: LiveSettings | None = None, redaction: Redaction = REDACTION) -> None:
        """Attaches everything. Raises RubinError: not enough privileges, another agent, nothing to attach."""
        self.settings = settings or LiveSettings()
        self.settings.check()
        privileges.check(privileges.held())
        self._lock = Lock(self.settings.lock_name)
        libbpf.share_heap()
        self._symbols = Symbols()
        try:
            self.probes = Probes(self.settings, self._symbols)
        except BaseException:
            self._lock.close()
            raise
        objects = self.probes.objects
        self._ring = Ring(objects.map("flows"), RECORD)
        self._losses = Losses(objects.map("losses"), self.settings.node_name)
        self._costs = stats.Costs(objects, PACKET_PROGRAMS)
        self._flows = Flows(self._names())
        self.manners: Manners | None = None
        """How the iterating thread shares processors with others; it alone can say so."""
        self._listening = self._listen(redaction)
        wanted = self._listening is not None and self.probes.wants_clear
        self._clear = Clear(objects, self.probes.load_clear) if wanted else None
        self._stopping = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._ring.watch(self._stopping)
        self._ring.watch(self.probes.interfaces.fileno())
        self._ending = threading.Event()
        self._closed = False
        self._iterating = 0  # the thread that does
        self._told_ns = 0  # up to which time flows were, or a little later where they are far behind
        self._rested = threading.Event()
        self._rested.set()
        self._seconds = time.monotonic()
        self._windows, self._timed = 0, privileges.SYS_ADMIN in privileges.held()
        libbpf.trim()

    def _names(self) -> Names:
        symbols = self._symbols
        if self.settings.drops:
            symbols.read()  # now: the first drop should not wait for 120,000 names
        path_of: Callable[[int], str] = _nowhere
        with suppress(UnsupportedError):  # without the mount there is no path to tell
            made = processes.CgroupPaths(self.probes.objects.get("cgroup_paths"))
            path_of = cgroups.Cgroups(cgroups.mount(), cgroups.mount_v1(), made.path).path
        return Names(
            self.probes.interfaces.name,
            path_of,
            symbols.name,
            drop_reasons.of_kernel(),
            self.settings.node_name,
            processes.Executables(self.probes.objects.get("executables")).path,
            processes.user,
        )

    def __iter__(self) -> Iterator[FlowBatch]:
        self._iterating = threading.get_ident()
        self._rested.clear()
        try:
            while not self._ending.is_set():
                self._flows.renew_when_full()
                batch = self._take(self._every_second())
                if batch is not None:
                    yield batch
                if not self._closed and self._listening is not None and self._listening.is_due(time.monotonic()):
                    yield from self._said()
                if not self._ending.is_set() and (batch is None or len(batch) < MOST_ROWS) and not self._behind:
                    self._wait()
                else:
                    self._look(0.0)  # who gives way to all and never sleeps would get no processor, and never learn it
            if not self._closed:
                yield from self._rest()
        finally:
            self._iterating = 0
            self._rested.set()
            if self.manners is not None:
                self.manners.close()

    def _take(self, due: tuple[Lost, ...] | None = None) -> FlowBatch | None:
        """The next flows, if there are any. What was lost rides on them, or alone, however little it was."""
        now_ns = told_ns = time.monotonic_ns()
        records = self._ring.peek(MOST_ROWS)
        if len(records) == MOST_ROWS:
            told_ns = int(records["time_ns"][-1])
        count = len(records) if self._ending.is_set() else settled(records, now_ns)
        if count < len(records):
            told_ns = int(records["time_ns"][count])
            records = self._ring.peek(count)
        self._told_ns = max(told_ns, now_ns - _APART_NS)
        if not count:
            self._ring.advance()  # past records that were given up
            return None if due is None else empty(self._flows.tables, due)
        batch = self._flows.batch(records, epoch_offset_ns())
        self._ring.advance()
        return batch.with_lost(due) if due else batch

    def _listen(self, redaction: Redaction) -> Listening | None:
        """What is said, where it is taken."""
        if not self.probes.listens or self.probes.objects.get("payloads") is None:
            return None
        heard = Payloads(self.probes.objects.map, self.probes.lanes[0])
        listening = Listening(heard, self.settings.most_cpu_percent, redaction)
        self._ring.watch(heard.lanes.fd, edge=True)
        return listening

    @property
    def _behind(self) -> bool:
        """Whether more has been said than one look could take in."""
        return self._listening is not None and self._listening.pending

    def _said(self) -> Iterator[FlowBatch]:
        """What was said, as flows. What the line does with them counts as part of listening."""
        if self._listening is None or self._closed:
            return
        begun_s, now_ns = time.thread_time(), time.monotonic_ns()
        # Not ahead of the flows of its connection, which tell who talks.
        batch = self._listening.take(self._flows, epoch_offset_ns(), now_ns, self._told_ns)
        if batch is not None:
            yield batch
        self._listening.governor.listened_s += time.thread_time() - begun_s

    def _wait(self) -> None:
        """Sleep until the timer, the kernel's half-full signal, a changed interface, or `stop`."""
        if self.manners is not None:
            self.manners.rest()
        asleep_s = time.monotonic()
        woken = self._ring.wait(_PAUSE_S)
        self._look(time.monotonic() - asleep_s - _PAUSE_S)
        if self.probes.interfaces.fileno() in woken:
            self.probes.follow()

    def _look(self, late_s: float) -> None:
        """How much of the machine is left over, after a sleep that was so late."""
        if self.manners is not None:
            self.manners.look(late_s)
            if self._listening is not None:
                self._listening.governor.spare = self.manners.spare

    def _every_second(self) -> tuple[Lost, ...] | None:
        """Once a second: a part of the tables is swept, losses are read, the programs' time is taken. Then a batch is
        due, with what was lost, also where there is nothing: what the line does now and then, it does on a batch.
        """
        now = time.monotonic()
        if now - self._seconds < 1:
            return None
        self._seconds = now
        self.probes.follow()  # also when there is too much to do to ever wait
        for sweep in self.probes.sweeps:
            sweep.step()
        if self.settings.timed and self._windows % _MEASURE_EVERY_S == 0:
            self._timed = self._costs.begin()
        else:
            self._costs.end()
        self._windows += 1
        return self._losses.news()

    def _rest(self) -> Iterator[FlowBatch]:
        """What is left when no more packets are seen: the ring, and what the tables hold."""
        if self._clear is not None:
            self._clear.stop()
        self.probes.detach()
        for sweep in self.probes.sweeps:
            sweep.all()
        while (batch := self._take()) is not None:
            yield batch
        yield from self._said()
        while self._behind:
            yield from self._said()
        lost = self._losses.news(all_now=True)
        if lost:
            yield empty(self._flows.tables, lost)

    def stop(self) -> None:
        """End the iteration soon; safe in any thread and in a signal handler."""
        self._ending.set()
        if not self._closed:
            os.eventfd_write(self._stopping, 1)

    def close(self) -> None:
        """Detach and free everything, once the iterating thread is done with its batch."""
        if self._closed:
            return
        self.stop()
        if self._iterating != threading.get_ident():
            self._rested.wait()
        self._costs.end()
        if self._clear is not None:
            self._clear.close()
        self._last_status = self.status()
        self._closed = True
        if self._listening is not None:
            self._listening.close()
        self.probes.close()
        self._ring.close()
        os.close(self._stopping)
        self._lock.close()

    def _own_capabilities(self) -> tuple[Capability, ...]:
        """What this process may read beside what the programs tell."""
        places = not self.settings.drops or self._symbols.read()
        short = self.manners is None or self.manners.turns_are_short
        own = zip(_OWN, (places, self._timed, short), strict=True)
        return tuple(Capability(name, on, costs, "" if on else why) for (name, costs, why), on in own)

    def _account(self) -> dict[str, float]:
        said = {} if self._listening is None else self._listening.account()
        return said if self._clear is None else said | self._clear.account()

    def status(self) -> LiveStatus:
        """The facts as they are now, after `close` as they were then."""
        if self._closed:
            return self._last_status
        objects = self.probes.objects
        return LiveStatus(
            capabilities=(*self.probes.capabilities(), *self._own_capabilities()),
            attached=(*self.probes.attached, *(self._clear.attached if self._clear else ())),
            losses=self._losses.totals(),
            tallies=tallies(objects.map("tallies")),
            records_read=self._ring.records_read,
            ring_fill=self._ring.fill,
            ns_per_packet=self._costs.ns_per_packet,
            programs=dict(self._costs.measured),
            map_bytes=stats.map_bytes(objects.maps),
            refused=self.probes.refused | (self._clear.refused if self._clear else {}),
            messages=self._account(),
        )


def _nowhere(_number: int) -> str:
    return ""

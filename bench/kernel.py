"""The kernel side: ns a run of each packet program, what the observed pay, and a flood that is too much."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import floor, throughput, world
from bench.figures import Figures
from bench.loads import BY_NAME, LOADS, Load, traffic
from bench.running import Running, agent
from rubin.kernel import syscall

_NAME_BYTES = 15  # what the kernel keeps of a program's name
_PACKET = {
    "sockets": ("rubin_socket_in", "rubin_socket_out"[:_NAME_BYTES]),
    "interfaces": ("rubin_ingress", "rubin_egress"),
}


def measure(figures: Figures, quick: bool = False) -> None:
    """`kernel_ns.*`, what `throughput` measures, `overload_*`."""
    seconds, rounds = (1.0, 1) if quick else (3.0, 5)
    with TemporaryDirectory(prefix="rubin-bench-") as name, world.cable(), world.load_tool() as tool:
        folder = Path(name)
        for vantage in _PACKET:
            with agent(folder, *_flags(vantage), inside=world.NEAR if vantage == "interfaces" else ""):
                for _ in range(rounds):
                    for load in LOADS:
                        _run_times(figures, vantage, load, tool, seconds)
        throughput.measure(figures, tool, folder, quick)
        _overload(figures, folder, tool, 5.0 if quick else 30.0)


def _flags(vantage: str) -> tuple[str, ...]:
    return ("--vantage", vantage)


def _run_times(figures: Figures, vantage: str, load: Load, tool: str, seconds: float) -> None:
    """ns a run while one load runs: the packet programs', all programs' a packet, and an empty one's."""
    with floor.programs() as empty_ones, statistics(), traffic(tool, load) as rate:
        before = counts()
        rate(seconds)
        after = counts()
    spent = {
        number: (after[number][1] - runs, after[number][2] - ns)
        for number, (_, runs, ns) in before.items()
        if number in after
    }
    names = {number: name for number, (name, _, _) in after.items()}
    packet = [counts for number, counts in spent.items() if names[number] in _PACKET[vantage]]
    ours = [counts for number, counts in spent.items() if names[number].startswith("rubin_")]
    runs = sum(count for count, _ in packet)
    figures.add(f"kernel_ns.{vantage}.{load.name}", sum(ns for _, ns in packet) / runs)
    if vantage == "sockets":
        figures.add(f"kernel_ns.all.{load.name}", sum(ns for _, ns in ours) / runs)
        empty = [spent[number] for number in empty_ones]
        figures.add(f"kernel_ns.floor.{load.name}", sum(ns for _, ns in empty) / sum(count for count, _ in empty))


@contextmanager
def statistics() -> Iterator[None]:
    """The kernel times programs meanwhile."""
    switch = syscall.enable_stats()
    try:
        yield
    finally:
        os.close(switch)


def counts() -> dict[int, tuple[str, int, int]]:
    """(name, runs, ns) of every program in the kernel, by id."""
    found = {}
    for number in syscall.program_ids():
        with suppress(OSError):  # gone since
            program = syscall.program_fd(number)
            info = syscall.program_info(program)
            found[number] = (info.name, info.run_count, info.run_time_ns)
            os.close(program)
    return found


def _overload(figures: Figures, folder: Path, tool: str, seconds: float) -> None:
    """Every packet of a flood is told: far more than the line can take. Then nothing may be unaccounted for."""
    flags = ("--monitor-aggregation", "none", "--messages=false")  # what is said makes flows without a record
    with agent(folder, *flags) as running, world.serving(tool, "udp-take", world.UDP_PORT):
        start, peak = running.status(), world.rss_mb(running.pid)
        flood = world.inside(world.NEAR, tool, *BY_NAME["udp_10000"].sender(seconds))
        with subprocess.Popen(flood, stdout=subprocess.DEVNULL) as sending:
            while sending.poll() is None:
                time.sleep(0.2)
                peak = max(peak, world.rss_mb(running.pid))
        end = _drained(running)
    flows = end["line"]["flows"] - start["line"]["flows"]
    lost = _lost(end) - _lost(start)
    figures.add("overload_unaccounted_flows", abs(_made(end) - _made(start) - flows))
    figures.add("overload_flows_per_second", flows / seconds)
    figures.add("overload_lost_per_second", lost / seconds)
    figures.add("overload_rss_mb", peak)


def _made(status: dict[str, Any]) -> int:
    return int(status["kernel"]["records_made"])


def _lost(status: dict[str, Any]) -> int:
    return sum(int(place["records"]) for place in status["lost"].values())


def _drained(running: Running) -> dict[str, Any]:
    """The status once everything that the kernel made was read."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        status = running.status()
        if status["kernel"]["records_read"] == status["kernel"]["records_made"]:
            return status
        time.sleep(0.2)
    raise AssertionError("the agent did not read what the kernel made within a minute")

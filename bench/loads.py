"""The kinds of traffic that the kernel bench runs over the cable, and what each reports."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import world


@dataclass(frozen=True)
class Load:
    """`sender` and `server` are arguments of bench/load.c; `taken`: how much the far end has got by now."""

    name: str
    sender: Callable[[float], tuple[str, ...]]
    server: tuple[str, ...]
    taken: Callable[[int], int]
    """Bytes, datagrams or connections, of the network namespace of a pid."""
    pin: tuple[str, ...] = ()
    """taskset(1) before both ends: on two processors a ping-pong runs three times as fast or slow by chance."""


def _udp(flows: int) -> Load:
    return Load(
        f"udp_{flows}",
        lambda seconds: ("udp-send", world.FAR_ADDRESS, world.UDP_PORT, str(flows), "64", str(seconds)),
        ("udp-take", world.UDP_PORT),
        partial(count_snmp, protocol="Udp", name="InDatagrams"),
    )


def _tcp(name: str, mode: str, taken: Callable[[int], int], pin: tuple[str, ...] = ()) -> Load:
    return Load(
        name,
        lambda seconds: (mode, world.FAR_ADDRESS, world.TCP_PORT, str(seconds)),
        ("tcp-serve", world.TCP_PORT),
        taken,
        pin,
    )


def count_snmp(pid: int, protocol: str, name: str) -> int:
    """A counter of /proc/PID/net/snmp (RFC 1213's names)."""
    names, values = (
        line.split()
        for line in Path(f"/proc/{pid}/net/snmp").read_text().splitlines()
        if line.startswith(f"{protocol}:")
    )
    return int(values[names.index(name)])


def _bytes(pid: int) -> int:
    """What came in at the far end of the cable (/proc/PID/net/dev)."""
    lines = Path(f"/proc/{pid}/net/dev").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.split()[0] == f"{world.FAR_LINK}:")


_LONGEST_S = 600.0
_ONE = ("taskset", "-c", "0")
LOADS = (
    _tcp("tcp_bulk", "tcp-bulk", _bytes),
    *(_udp(flows) for flows in (1, 2_000, 10_000)),
    _tcp("tcp_short", "tcp-short", partial(count_snmp, protocol="Tcp", name="PassiveOpens"), _ONE),
)
BY_NAME = {load.name: load for load in LOADS}


@contextmanager
def traffic(tool: str, load: Load) -> Iterator[Callable[[float], float]]:
    """The load goes on; gives a function that measures over some seconds: units taken a second."""
    with world.serving(*load.pin, tool, *load.server) as server:
        world.wait_for_port(world.FAR, load.server[1])
        command = world.inside(world.NEAR, *load.pin, tool, *load.sender(_LONGEST_S))

        def rate(over_s: float) -> float:
            before, begun = load.taken(server.pid), time.perf_counter()
            time.sleep(over_s)
            after, ended = load.taken(server.pid), time.perf_counter()
            if sender.poll() is not None:
                raise RuntimeError(f"{' '.join(command)} ended by itself")
            return (after - before) / (ended - begun)

        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as sender:
            try:
                yield rate
            finally:
                sender.terminate()

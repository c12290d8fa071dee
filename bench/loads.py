"""The kinds of traffic that the kernel bench runs over the cable, and what each reports."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from bench import world


@dataclass(frozen=True)
class Load:
    """`sender` and `server` are arguments of bench/load.c; the server counts where the sender cannot know."""

    name: str
    sender: Callable[[float], tuple[str, ...]]
    server: tuple[str, ...]
    counted_by_server: bool = False
    pin: tuple[str, ...] = ()
    """taskset(1) before both ends: on two processors a ping-pong runs three times as fast or slow by chance."""


def _udp(flows: int) -> Load:
    return Load(
        f"udp_{flows}",
        lambda seconds: ("udp-send", world.FAR_ADDRESS, world.UDP_PORT, str(flows), "64", str(seconds)),
        ("udp-take", world.UDP_PORT),
        counted_by_server=True,
    )


def _tcp(name: str, mode: str, pin: tuple[str, ...] = ()) -> Load:
    return Load(
        name,
        lambda seconds: (mode, world.FAR_ADDRESS, world.TCP_PORT, str(seconds)),
        ("tcp-serve", world.TCP_PORT),
        pin=pin,
    )


_ONE = ("taskset", "-c", "0")
LOADS = (_tcp("tcp_bulk", "tcp-bulk"), _udp(1), _udp(2_000), _udp(10_000), _tcp("tcp_short", "tcp-short", _ONE))
BY_NAME = {load.name: load for load in LOADS}


def rate(tool: str, load: Load, seconds: float) -> float:
    """Bytes, datagrams taken, or connections, a second."""
    with world.serving(*load.pin, tool, *load.server) as server:
        world.wait_for_port(world.FAR, load.server[1])
        sender = subprocess.run(
            world.inside(world.NEAR, *load.pin, tool, *load.sender(seconds)), check=True, capture_output=True, text=True
        )
        server.terminate()
        taken = server.communicate(timeout=20)[0]
    return int(taken if load.counted_by_server else sender.stdout) / seconds

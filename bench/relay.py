"""The relay: flows per CPU-second of it, what it adds to the delay, order, and two hundred nodes."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from bench import world
from bench.figures import Figures
from rubin.api.client import Client
from rubin.api.target import ClientSettings
from rubin.wire.pb.observer_pb2 import GetFlowsRequest

_HELD = 200_000
_SKEW_MS = 400


def measure(figures: Figures, quick: bool = False) -> None:
    """`relay_flows_per_cpu_second.*`, `relay_added_delay_ms`, `relay_inversions`, `relay_200_peers.*`."""
    with _nodes(2, 4, _HELD) as addresses, _relay(addresses) as relay:
        for _ in range(2 if quick else 5):
            _columns_once(figures, relay)
            _getflows_once(figures, relay)
        figures.add("relay_rss_mb", _resident_mb(relay.pid))
    with _nodes(2, 4, 0, 500) as addresses, _relay(addresses) as relay:
        asyncio.run(_added_delay(figures, relay.address, addresses[0], 5.0 if quick else 30.0))
    with _nodes(2, 4, 0, 15_000, _SKEW_MS) as addresses, _relay(addresses) as relay:
        asyncio.run(_in_order(figures, relay.address, 1_000_000 if quick else 10_000_000))
    with _nodes(4, 50, 0) as addresses:
        began_s = time.monotonic()
        with _relay(addresses) as relay:
            figures.add("relay_200_peers.start_s", time.monotonic() - began_s)
            before_s, seconds = world.cpu_seconds(relay.pid), 10.0 if quick else 60.0
            time.sleep(seconds)
            figures.add("relay_200_peers.idle_cpu_percent", 100 * (world.cpu_seconds(relay.pid) - before_s) / seconds)
            figures.add("relay_200_peers.rss_mb", _resident_mb(relay.pid))


class _Relay:
    """A relay that is ready: its process and address."""

    def __init__(self, line: str) -> None:
        pid, self.address, _ = line.split()
        self.pid = int(pid)


@contextmanager
def _nodes(processes: int, each: int, held: int, rate: int = 0, skew_ms: int = 0) -> Iterator[list[str]]:
    """The addresses of nodes that answer."""
    with ExitStack() as stack:
        command = [sys.executable, "-m", "bench.node", *map(str, (each, held, rate, skew_ms))]
        lines = [stack.enter_context(_started(command)) for _ in range(processes)]
        yield [address for line in lines for address in line.split()[1:]]


@contextmanager
def _relay(addresses: list[str]) -> Iterator[_Relay]:
    with _started([sys.executable, "-m", "bench.relayed", *addresses]) as line:
        yield _Relay(line)


@contextmanager
def _started(command: list[str]) -> Iterator[str]:
    """The first line of a program that runs until the end of the block."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline()
        finally:
            process.terminate()


def _columns_once(figures: Figures, relay: _Relay) -> None:
    before_s = world.cpu_seconds(relay.pid)
    flows = asyncio.run(_read_all(relay.address))
    figures.add("relay_flows_per_cpu_second.columns", flows / (world.cpu_seconds(relay.pid) - before_s))


async def _read_all(address: str) -> int:
    async with Client(ClientSettings(address)) as client:
        return sum([len(batch) async for batch in client.flows(GetFlowsRequest())])


def _getflows_once(figures: Figures, relay: _Relay) -> None:
    """A foreign client that reads and decodes nothing."""
    before_s = world.cpu_seconds(relay.pid)
    command = [sys.executable, "-m", "tests.api.drain", relay.address, "1"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    spent_s = world.cpu_seconds(relay.pid) - before_s
    figures.add("relay_flows_per_cpu_second.getflows", 8 * _HELD / spent_s)


async def _added_delay(figures: Figures, relay: str, node: str, seconds: float) -> None:
    """How much later, at the median, a flow is seen through the relay than at its node."""
    through, direct = await asyncio.gather(_late_ms(relay, seconds), _late_ms(node, seconds))
    figures.add("relay_added_delay_ms", through - direct)


async def _late_ms(address: str, seconds: float) -> float:
    late_ms: list[float] = []
    end_s = time.monotonic() + seconds
    async with Client(ClientSettings(address)) as client:
        async for batch in client.flows(GetFlowsRequest(follow=True)):
            late_ms += ((time.time_ns() - batch["time_ns"]) / 1e6).tolist()
            if time.monotonic() > end_s:
                break
    return float(np.median(late_ms))


async def _in_order(figures: Figures, address: str, wanted: int) -> None:
    """Follow nodes whose clocks are apart; each flow must come once, and those that are not marked late in order."""
    inversions, late, lost, last_ns = 0, 0, 0, 0
    ids: list[np.ndarray[tuple[int], np.dtype[np.uint64]]] = []
    async with Client(ClientSettings(address)) as client:
        async for told in client.told(GetFlowsRequest(follow=True)):
            if told.flows is None:
                continue
            lost += sum(one.events for one in told.flows.lost)
            ids.append(told.flows["uuid_low"].copy())
            times = told.flows["time_ns"]
            if told.is_late:
                late += len(times)
            elif len(times):
                inversions += int((np.diff(times) < 0).sum()) + int(times[0] < last_ns)
                last_ns = int(times[-1])
            if sum(map(len, ids)) >= wanted:
                break
    found, times_seen = np.unique(np.concatenate(ids), return_counts=True)
    if (times_seen > 1).any():
        raise AssertionError(f"{int((times_seen > 1).sum())} flows came more than once")
    figures.add("relay_inversions", inversions)
    figures.add("relay_ordered_late_percent", 100 * late / len(found))
    figures.add("relay_ordered_lost", lost)
    figures.add("relay_unaccounted_flows", max(0, _missing(found) - lost))


def _missing(found: "np.ndarray[tuple[int], np.dtype[np.uint64]]") -> int:
    """Of the flows between each node's first and last seen those that were not: but for its last second, which may
    still have been on the way.
    """
    missing = 0
    for node in np.unique(found >> np.uint64(32)):
        numbers = (found[found >> np.uint64(32) == node] & np.uint64(0xFFFF_FFFF)).astype(np.int64)
        settled = numbers[numbers <= numbers.max() - 30_000]
        missing += int(settled.max() - settled.min() + 1 - len(settled)) if len(settled) else 0
    return missing


def _resident_mb(pid: int) -> float:
    with open(f"/proc/{pid}/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

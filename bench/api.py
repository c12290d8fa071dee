"""The API: full flows per CPU-second of the server, and reading flat out while the line works."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import numpy as np

from bench import world
from bench.figures import Figures
from rubin.api.client import Client
from rubin.api.target import ClientSettings
from rubin.wire.pb.observer_pb2 import GetFlowsRequest

_FLOWS = 1_000_000
_RATE = 100_000


def measure(figures: Figures, quick: bool = False) -> None:
    """`getflows_per_cpu_second`, `getflows_per_second`, `combined_*`."""
    with TemporaryDirectory(prefix="rubin-bench-") as folder:
        path = f"{folder}/rubin.sock"
        with _served(path) as pid:
            for _ in range(2 if quick else 5):
                _drain_once(figures, path, pid)
        with _served(path, _RATE):
            asyncio.run(_combined(figures, path, 12.0 if quick else 30.0))


@contextmanager
def _served(path: str, rate: int = 0) -> Iterator[int]:
    """The process id of a server that answers."""
    command = [sys.executable, "-m", "bench.served", path, str(rate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline().split()[1])
        finally:
            process.terminate()


def _drainer(path: str, times: int) -> "subprocess.Popen[str]":
    """A foreign client that reads and counts, and decodes nothing."""
    command = [sys.executable, "-m", "tests.api.drain", path, str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _drain_once(figures: Figures, path: str, pid: int) -> None:
    before = world.cpu_seconds(pid)
    with _drainer(path, 1) as drainer:
        size, seconds = drainer.communicate()[0].split()
    figures.add("getflows_per_cpu_second", _FLOWS / (world.cpu_seconds(pid) - before))
    figures.add("getflows_per_second", _FLOWS / float(seconds))
    figures.add("getflows_bytes_per_flow", int(size) / _FLOWS)


async def _combined(figures: Figures, path: str, seconds: float) -> None:
    """Follow the line's flows by columns while another client drains the ring over and over."""
    late_ms: list[float] = []
    got = lost = 0
    end = time.monotonic() + seconds
    drainer = _drainer(path, 1_000)
    try:
        async with Client(ClientSettings(server=f"unix://{path}")) as client:
            async for batch in client.flows(GetFlowsRequest(follow=True)):
                now_ns = time.time_ns()
                got += len(batch)
                lost += sum(loss.events for loss in batch.lost)
                if len(batch):
                    late_ms += ((now_ns - np.unique(batch["time_ns"])) / 1e6).tolist()
                if time.monotonic() > end:
                    break
    finally:
        drainer.terminate()
        answers = len(drainer.communicate()[0].splitlines())
    if not answers:
        raise AssertionError("the drain did not finish a single answer while the line worked")
    figures.add("combined_visible_ms", float(np.percentile(late_ms, 99)))
    figures.add("combined_visible_median_ms", float(np.median(late_ms)))
    figures.add("combined_lost_flows", lost)
    figures.add("combined_followed_per_second", got / seconds)
    figures.add("combined_drained_per_second", answers * _FLOWS / seconds)

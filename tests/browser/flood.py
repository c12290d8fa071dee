"""An Observer of 3,000 pods that sends more than anybody takes, as a process: `python -m tests.browser.flood FOLDER`.

Serves at FOLDER/s. A line `RATE SECONDS` on stdin is so many flows a second for so long, or until the next line; it
answers with how many flows there have been since it began.
"""

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from rubin.model.batch import FlowBatch
from rubin.store.ring import Ring
from tests.api.serving import serving
from tests.browser.shop import SECOND, Call, Service, Shop

PODS = 3_000
_STEP_S = 0.05
_SERVICES, _CALLS = 300, 1_000


def _shop() -> Shop:
    """Services of ten pods each in thirty namespaces; packets are seen and not read, one call in 50 is dropped."""
    random = np.random.default_rng(11)
    services = tuple(Service(f"svc-{n}", f"team-{n % 30}", PODS // _SERVICES) for n in range(_SERVICES))
    pairs = [random.choice(_SERVICES, 2, replace=False).tolist() for _ in range(_CALLS)]
    calls = (
        Call(services[one].name, services[other].name, 8000 + other, drops=n % 50 == 0)
        for n, (one, other) in enumerate(pairs)
    )
    return Shop(3, services, tuple(calls))


class _Load:
    """The same flows again and again, each time with times and UUIDs of their own."""

    def __init__(self, ring: Ring) -> None:
        self.ring, self.flows = ring, 0
        now = time.time_ns()
        self._batch = _shop().flows(now - SECOND, now, 50_000)

    def run(self, rate: int, seconds: float) -> None:
        """At that rate, as a clock has it."""
        before_ns = begun_ns = time.time_ns()
        while before_ns < begun_ns + seconds * SECOND and not _is_told():
            now_ns = time.time_ns()
            self._add(before_ns, now_ns, round(rate * (now_ns - before_ns) / SECOND))
            before_ns = now_ns

    def _add(self, since_ns: int, until_ns: int, count: int) -> None:
        while count > 0:
            part = self._next(since_ns, until_ns, min(count, len(self._batch)))
            self.ring.append(part)
            count -= len(part)
            self.flows += len(part)

    def _next(self, since_ns: int, until_ns: int, count: int) -> FlowBatch:
        times = np.linspace(since_ns, until_ns, count, dtype=np.int64)
        numbers = np.arange(self.flows + 1, self.flows + count + 1, dtype=np.uint64) + np.uint64(1 << 63)
        return self._batch.take(slice(0, count)).with_columns(time_ns=times, uuid_low=numbers)


def _is_told() -> bool:
    """Whether another line has come, after a step's wait for it."""
    return bool(select.select([sys.stdin], [], [], _STEP_S)[0])


class Flood:
    """The process, as a test sees it."""

    def __init__(self, told: IO[str], tells: IO[str]) -> None:
        self._told, self._tells = told, tells

    def run(self, rate: int, seconds: float) -> int:
        """How many flows there have been, once so many more have been."""
        self.begin(rate, seconds)
        return self.ended()

    def begin(self, rate: int, seconds: float) -> None:
        """Without waiting for it."""
        print(rate, seconds, file=self._told, flush=True)

    def ended(self) -> int:
        """How many flows there have been, once what was begun has ended."""
        return int(self._tells.readline())

    def end(self) -> int:
        """How many flows there have been, until now, when what was begun is to end."""
        self.begin(0, 0)
        self.ended()
        return self.ended()


@contextmanager
def running(folder: Path) -> Iterator[Flood]:
    """Until the block ends."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(("src", "."))}
    command = [sys.executable, "-m", "tests.browser.flood", str(folder)]
    with subprocess.Popen(
        command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield Flood(process.stdin, process.stdout)
        finally:
            process.terminate()


def main() -> None:
    """Until stdin ends."""
    load = _Load(Ring(1_000_000))
    with serving(load.ring, Path(sys.argv[1])):
        load.run(1_000, 1)
        print("ready", flush=True)
        for line in sys.stdin:
            rate, seconds = line.split()
            load.run(int(rate), float(seconds))
            print(load.flows, flush=True)


if __name__ == "__main__":
    main()

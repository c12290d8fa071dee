"""The live source watched by a thread, for tests on real traffic."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rubin.model.batch import FlowBatch, concat
from rubin.model.enums import EventType
from rubin.sources.live import Live, LiveSettings

HERE = Path(__file__).parent


def settings(**values: object) -> LiveSettings:
    # No share of the machine: emulated, everything is more than that, and what is left out is not seen.
    own = {"lock_name": f"rubin/test/{os.getpid()}", "most_cpu_percent": 100.0}
    return LiveSettings(**{**own, **values})  # type: ignore[arg-type]


def script(name: str, *words: object) -> list[str]:
    """The command that runs a file beside this one; -S: without packages a process starts in half the time."""
    return [sys.executable, "-S", str(HERE / name), *map(str, words)]


def peer(what: str, number: int) -> dict[str, int]:
    done = subprocess.run(script("peer.py", what, number), capture_output=True, check=True)
    return dict(json.loads(done.stdout))


class Watching:
    """A live source iterated by a thread; `flows` is all it gave so far."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self._batches: list[FlowBatch] = []
        self._arrived_ns: list[int] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for batch in self.live:
            self._arrived_ns.append(time.time_ns())
            self._batches.append(batch)

    @property
    def flows(self) -> FlowBatch:
        return concat(self._batches)

    @property
    def batches(self) -> list[FlowBatch]:
        """The same as they came."""
        return list(self._batches)

    @property
    def empty_batches(self) -> int:
        """How many came that told of no flow."""
        return sum(not len(batch) for batch in self._batches)

    def until(self, found: Callable[[FlowBatch], bool], seconds: float = 30) -> FlowBatch:
        """The flows once they satisfy; fails after so long."""
        end = time.monotonic() + seconds
        while not found(flows := self.flows):
            assert time.monotonic() < end, f"not seen among {len(flows)} flows"
            time.sleep(0.01)
        return flows

    def late_ns(self, said: dict[str, int]) -> int:
        """How long after the packet the batch with the peer's first flow came out."""
        for batch, arrived_ns in zip(self._batches, self._arrived_ns, strict=False):
            if len(flows := between(batch, said)):
                return arrived_ns - int(flows["time_ns"].min())
        raise AssertionError("it never came")

    def end(self) -> FlowBatch:
        """All flows, the last of the tables included."""
        self.live.stop()
        self._thread.join(10)
        return self.flows

    def close(self) -> None:
        self.live.close()
        self._thread.join(10)


@contextmanager
def watch(**values: object) -> Iterator[Watching]:
    watching = Watching(Live(settings(**values)))
    try:
        yield watching
    finally:
        watching.close()


def between(flows: FlowBatch, said: dict[str, int]) -> FlowBatch:
    """The flows of the peer's connection, both directions, drops left out."""
    flows = flows.take(flows["event_type"] == EventType.TRACE)
    ports = said["source_port"], said["destination_port"]
    forth = (flows["source_port"] == ports[0]) & (flows["destination_port"] == ports[1])
    back = (flows["source_port"] == ports[1]) & (flows["destination_port"] == ports[0])
    return flows.take(forth | back)

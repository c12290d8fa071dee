"""A shop's day in minutes: its flows' clock runs faster than ours, and every day brings names that were never seen."""

import time
from pathlib import Path

import numpy as np

from rubin.model.batch import FlowBatch, concat
from tests.browser.shop import SECOND, Call, Service, Shop
from tests.browser.stage import Stage

SPEED = 144  # a day in ten minutes
_POD_S, _NAME_S = 10, 2  # of the shop's time: so often a pod begins, so often a new name is asked for
_RUNS = 40  # pods of it at a time
_PLACES = 200


class Changing(Shop):
    """Beside what always runs, jobs that run once, each a pod with a name and an address of its own, and asks of names
    and paths that are never asked again.
    """

    def flows(self, since_ns: int, until_ns: int, count: int) -> FlowBatch:
        """One flow in ten is a job's."""
        own = max(1, count // 10)
        usual = super().flows(since_ns, until_ns, max(1, count - own))
        asks = self._job_s(since_ns, until_ns, own)
        joined = concat([usual, asks])
        return joined.take(np.argsort(joined["time_ns"], kind="stable"))

    def _job_s(self, since_ns: int, until_ns: int, count: int) -> FlowBatch:
        """The newest job's, of names that go on with the clock."""
        number, name = until_ns // (_POD_S * SECOND), until_ns // (_NAME_S * SECOND)
        server = ("coredns", "catalog")[name % 2]
        speaks, target = (("dns", f"h{name}.example."), ("http", f"/items/{name}"))[name % 2]
        call = Call("job", server, (53, 8080)[name % 2], speaks, target=target)
        job = Service(f"job-{number}", "batch", command=f"job-{number}")
        self._pods["job"] = [self._pod(job, _PLACES + number % _RUNS, 0)]
        times = np.sort(self._random.integers(since_ns, until_ns, count))
        return self._of(call, self._said(call), times, next(self._numbers))


class Day(Stage):
    """A stage of it."""

    def __init__(self, folder: Path, flows_per_second: int, capacity: int) -> None:
        self._began_ns = time.time_ns()
        super().__init__(folder, flows_per_second, 5, Changing, capacity)

    def step(self) -> None:
        """What went on since the last time, at the shop's pace."""
        now_ns = time.time_ns()
        count = round(self.rate * (now_ns - self._until_ns) / SECOND)
        if count:
            if self.shop.tables.full:
                self.shop = self._make()
            since_ns, until_ns = (self._began_ns + SPEED * (at - self._began_ns) for at in (self._until_ns, now_ns))
            self.ring.append(self.shop.flows(since_ns, until_ns, count))
            self._until_ns = now_ns

"""Who is it: the right owner of short-lived processes' flows, what naming costs, and a large cluster."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench import pods, short_lived
from bench.figures import Figures
from rubin.identity.facts import Address, Changes, ContainerCgroup, Fact, Where
from rubin.identity.table import Names
from rubin.model.addresses import pair
from rubin.model.batch import FlowBatch
from rubin.model.enums import TracePoint
from rubin.model.tables import Endpoint, Process, Tables

_PODS, _KNOWN, _BATCH = 50_000, 10_000, 8_192


def measure(figures: Figures, quick: bool = False) -> None:
    """`right_owner_percent`, `wrong_owner_flows`, `identify_ns_per_flow`, `pods_*`, `late_name_s`."""
    with TemporaryDirectory(prefix="rubin-bench-") as folder:
        for _ in range(1 if quick else 3):
            short_lived.measure(figures, Path(folder), 2.0 if quick else 10.0)
    for _ in range(3 if quick else 7):
        _identify(figures)
    pods.measure_start(figures, 5_000 if quick else _PODS)


class _Cluster:
    """Tells of many pods at once; the first ones are on this machine."""

    name, rank = "cluster", 50

    def __init__(self, count: int) -> None:
        self._facts = {f"pod/{number}": _pod(number) for number in range(count)}

    def changes(self) -> Changes:
        facts, self._facts = self._facts, {}
        return facts

    def status(self) -> str:
        return ""

    def close(self) -> None:
        pass


def _pod(number: int) -> list[Fact]:
    app = f"app-{number % 500}"
    who = Endpoint(namespace="default", labels=(f"k8s:app={app}",), pod_name=f"{app}-{number}", cluster_name="default")
    where: list[Where] = [Address(_address(number)), *([ContainerCgroup(f"{number:064x}")] if number < 100 else [])]
    return [Fact(place, who, local=number < 100) for place in where]


def _address(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def _identify(figures: Figures) -> None:
    """One CPU's time a flow: 10,000 addresses that come up, 50,000 pods in the table, a tenth of the flows local."""
    names, tables, rng = Names([_Cluster(_PODS)]), Tables(), np.random.default_rng(1)
    halves = np.array([pair(_address(number)) for number in range(_KNOWN)], np.uint64)
    processes = [tables.processes.code(Process(pid=i + 1, cgroup=f"/pods/{i:064x}")) for i in range(100)]
    batches = []
    for _ in range(32):
        sides = rng.integers(0, _KNOWN, (2, _BATCH))
        columns = {
            "time_ns": np.full(_BATCH, time.time_ns()),
            "source_high": halves[sides[0], 0],
            "source_low": halves[sides[0], 1],
            "destination_high": halves[sides[1], 0],
            "destination_low": halves[sides[1], 1],
            "trace_point": np.where(rng.random(_BATCH) < 0.1, TracePoint.TO_STACK, TracePoint.TO_NETWORK).astype(
                np.uint8
            ),
            "process": rng.choice(np.array(processes, np.uint32), _BATCH),
        }
        batches.append(FlowBatch(columns, tables))
    for batch in batches:
        named = names.identify(batch)
        if not named["source_endpoint"].all():
            raise AssertionError("a known address has no name")
    begun = time.thread_time()
    for batch in batches:
        names.identify(batch)
    figures.add("identify_ns_per_flow", 1e9 * (time.thread_time() - begun) / (len(batches) * _BATCH))

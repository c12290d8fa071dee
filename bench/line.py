"""The line: flows per CPU-second from record to ring, bytes a flow in the ring, and each part's share."""

import gc
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figures import Figures
from bench.records import records
from rubin import pipeline
from rubin.identity.local import Local
from rubin.identity.static import Static
from rubin.identity.table import Names as Identity
from rubin.kernel import drop_reasons
from rubin.kernel.flows import Flows, Names
from rubin.metrics.sink import Metrics, Settings
from rubin.model.batch import FlowBatch
from rubin.sources.live import MOST_ROWS
from rubin.store.ring import Ring

_CONTEXT = "labelsContext=source_namespace,source_app,destination_namespace,destination_app"
_METRICS = " ".join(f"{name}:{_CONTEXT}" for name in ("flow", "tcp", "drop", "port-distribution"))
_PAIRS, _MANY_PAIRS = 500, 7_000  # clients with their servers: some thousand series, and some ten thousand


def measure(figures: Figures, quick: bool = False) -> None:
    """`line_flows_per_cpu_second` and `line_series` where workloads have their peers, and where many talk to all
    (`.many`), `line_ns.*` by part, `ring_bytes_per_flow`.
    """
    with TemporaryDirectory(prefix="rubin-bench-") as folder:
        path = Path(folder) / "names.toml"
        path.write_text(_names())
        for _ in range(3 if quick else 7):
            for pairs, many in ((_PAIRS, ""), (_MANY_PAIRS, ".many")):
                _round(figures, path, 500_000 if quick else 2_000_000, pairs, many)
    _bytes_per_flow(figures)


def _round(figures: Figures, names: Path, count: int, pairs: int, many: str) -> None:
    made = records(262_144, pairs)
    decoder = Flows(Names(str, str, hex, drop_reasons.of_kernel(), "node-1"))
    identity, ring, metrics = Identity([Static(names), Local()]), Ring(), Metrics(Settings(_METRICS))
    account = pipeline.Account()
    spent = {"decode": 0.0}

    def source() -> Iterator[FlowBatch]:
        for start in range(0, count, MOST_ROWS):
            at = start % len(made)
            begun = time.thread_time()
            batch = decoder.batch(made[at : at + MOST_ROWS], 0)
            spent["decode"] += time.thread_time() - begun
            yield batch

    gc.collect()
    begun = time.thread_time()
    pipeline.run(
        source(),
        [("identify", identity.identify)],
        [("store", ring.append), ("metrics", metrics.observe)],
        account,
    )
    metrics.settle()
    seconds = time.thread_time() - begun
    if account.failures or ring.next_row != account.flows:
        raise AssertionError(f"the line failed: {account.failures}, {ring.next_row} of {account.flows} flows")
    figures.add(f"line_flows_per_cpu_second{many}", account.flows / seconds)
    for part, took in {**spent, **account.seconds}.items():
        figures.add(f"line_ns.{part}{many}", 1e9 * took / account.flows)
    figures.add(f"line_series{many}", metrics.exposition().count(b"\n"))


def _bytes_per_flow(figures: Figures) -> None:
    """Resident memory that a full ring of a million flows takes, tables included, divided by the flows."""
    decoder = Flows(Names(str, str, hex, drop_reasons.of_kernel(), "node-1"))
    made = records(65_536, _MANY_PAIRS)
    ring = Ring()
    decoder.batch(made, 0)
    before = _resident()
    while ring.next_row < 1_300_000:
        ring.append(decoder.batch(made, 0))
    gc.collect()
    figures.add("ring_bytes_per_flow", (_resident() - before) / ring.held_flows)


def _resident() -> int:
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    return 0


def _names() -> str:
    """500 pods of 40 applications, as `generate` has them."""
    pods = []
    for i in range(500):
        app, namespace = f"app-{i % 40}", ("default", "shop", "kube-system", "monitoring")[i % 4]
        address = f"10.0.{(i + 1) >> 8}.{(i + 1) & 255}"
        pods.append(
            f'[[pods]]\nname = "{app}-{i:05d}"\nnamespace = "{namespace}"\nworkload = "Deployment/{app}"\n'
            f'labels = {{ app = "{app}", version = "v{i % 3}" }}\naddresses = ["{address}"]\n'
        )
    return "\n".join(pods)

"""A server process for the bench: a full ring behind the API, and, when told, the line beside it.

`python -m bench.served SOCKET [RATE]`: fills the ring, serves it, prints "ready" and its process id;
with RATE it then takes so many flows a second through the line until it is told to end.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np

from bench.records import records
from rubin import pipeline
from rubin.agent import SWITCH_INTERVAL_S
from rubin.api.listen import ListenSettings
from rubin.api.server import Server, ServerThread
from rubin.identity.local import Local
from rubin.identity.table import Names as Identity
from rubin.kernel import drop_reasons
from rubin.kernel.flows import Flows, Names
from rubin.metrics.sink import Metrics, Settings
from rubin.model.batch import FlowBatch
from rubin.model.tables import Tables
from rubin.store.ring import Ring
from tests.flows import generate

_PERIOD_S = 0.02


def main(socket_path: str, rate: int = 0) -> None:
    """Serve until SIGTERM."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    ring = Ring()
    _fill(ring)
    thread = ServerThread(Server(ring, ListenSettings(socket_path), "node-1"))
    thread.start()
    print(f"ready {os.getpid()}", flush=True)
    if rate:
        identity, metrics = Identity([Local()]), Metrics(Settings("flow tcp drop port-distribution"))
        sinks = [("store", ring.append), ("metrics", metrics.observe)]
        account = pipeline.run(_paced(rate, stopped), [("identify", identity.identify)], sinks)
        if account.failures:
            raise AssertionError(account.failures)
    stopped.wait()
    thread.close()


def _fill(ring: Ring) -> None:
    """A million flows with labels, workloads and names, of about 7,000 pairs."""
    tables = Tables()
    while ring.next_row < ring.capacity:
        ring.append(generate(65_536, seed=ring.next_row, tables=tables))


def _paced(rate: int, stopped: threading.Event) -> Iterator[FlowBatch]:
    """Batches at a steady rate, with the time of their making: what is late by then is the line's doing."""
    decoder = Flows(Names(str, str, hex, drop_reasons.of_kernel(), "node-1"))
    made, size = records(262_144), int(rate * _PERIOD_S)
    begun, sent = time.monotonic(), 0
    while not stopped.is_set():
        part = made[sent % (len(made) - size) :][:size]
        part["time_ns"] = time.time_ns()
        sent += size
        yield decoder.batch(part, 0)
        time.sleep(max(0.0, begun + sent / rate - time.monotonic()))


if __name__ == "__main__":
    np.seterr(all="raise")
    main(sys.argv[1], *map(int, sys.argv[2:]))

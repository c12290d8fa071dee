"""Agents' servers for the bench, without agents: `python -m bench.node COUNT FLOWS [RATE [SKEW]]`.

COUNT servers in one process, each over a ring with so many flows of the last seconds; a flow's UUID says of which node
it is and the how-manyth. With RATE each takes so many new flows a second until the process is told to end, with clocks
that are up to SKEW ms behind or ahead. Prints a line with the process id and the addresses.
"""

import os
import signal
import sys
import threading
import time

import numpy as np

from rubin.api.listen import ListenSettings
from rubin.api.server import Server, ServerThread
from rubin.model.batch import FlowBatch
from rubin.model.tables import Tables
from rubin.store.ring import Ring
from tests.flows import generate

_PERIOD_S = 0.02
_SPAN_NS = 10_000_000_000


def main(count: int, flows: int, rate: int = 0, skew_ms: int = 0) -> None:
    """Serve until SIGTERM."""
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    skews_ms = np.linspace(-skew_ms, skew_ms, count)
    nodes = [_Node(f"node-{os.getpid()}-{at}", flows, round(skew * 1e6)) for at, skew in enumerate(skews_ms)]
    print(os.getpid(), *(node.server.address for node in nodes), flush=True)
    begun, sent = time.monotonic(), 0
    while not stopped.wait(_PERIOD_S if rate else None):
        due = int((time.monotonic() - begun) * rate) - sent
        sent += due
        for node in nodes:
            node.take(due)
    for node in nodes:
        node.close()


class _Node:
    """A server and its ring."""

    def __init__(self, name: str, flows: int, skew_ns: int) -> None:
        self._ring, self._skew_ns = Ring(max(flows, 300_000)), skew_ns
        self._name, self._tables, self._made = name, Tables(), 0
        self._pattern = generate(32_768, seed=hash(name) % 1_000_003, tables=self._tables)
        end_ns = time.time_ns()
        for start in range(0, flows, len(self._pattern)):
            size = min(len(self._pattern), flows - start)
            times = end_ns - _SPAN_NS + (start + np.arange(size)) * _SPAN_NS // flows
            self._ring.append(self._next(size, times))
        self.server = Server(self._ring, ListenSettings("", "127.0.0.1:0"), name, lambda: {"node": name})
        self._thread = ServerThread(self.server)
        self._thread.start()

    def take(self, count: int) -> None:
        """New flows, as of now."""
        now_ns = time.time_ns() + self._skew_ns
        self._ring.append(self._next(count, now_ns - np.arange(count, dtype=np.int64)[::-1] * 1_000))

    def close(self) -> None:
        """Gone."""
        self._thread.close()

    def _next(self, count: int, times: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> FlowBatch:
        rows = self._pattern.take((self._made + np.arange(count)) % len(self._pattern))
        node, numbers = np.uint64(hash(self._name) & 0xFFFF_FFFF), np.arange(count, dtype=np.uint64)
        ids = (node << np.uint64(32)) + np.uint64(self._made) + numbers
        self._made += count
        named = np.full(count, self._tables.strings.code(self._name), np.uint32)
        return rows.with_columns(time_ns=times, uuid_low=ids, node_name=named)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""Agents' servers for the bench, without agents: `python -m bench.node COUNT FLOWS [RATE]`.

COUNT servers in one process, each over a ring with so many flows of the last seconds; all flows of all processes are
told apart by their UUIDs. With RATE each takes so many new flows a second until the process is told to end. Prints a
line with the process id and the addresses.
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


def main(count: int, flows: int, rate: int = 0) -> None:
    """Serve until SIGTERM."""
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    nodes = [_Node(f"node-{os.getpid()}-{number}", flows) for number in range(count)]
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

    def __init__(self, name: str, flows: int) -> None:
        self._ring = Ring(max(flows, 100_000))
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
        now_ns = time.time_ns()
        self._ring.append(self._next(count, now_ns - np.arange(count, dtype=np.int64)[::-1] * 1_000))

    def close(self) -> None:
        """Gone."""
        self._thread.close()

    def _next(self, count: int, times: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> FlowBatch:
        rows = self._pattern.take((self._made + np.arange(count)) % len(self._pattern))
        own = np.uint64(hash(self._name) & 0xFFFF_FFFF) << np.uint64(32)
        ids = own + self._made + np.arange(count, dtype=np.uint64)
        self._made += count
        node = np.full(count, self._tables.strings.code(self._name), np.uint32)
        return rows.with_columns(time_ns=times, uuid_low=ids, node_name=node)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""What the programs counted: losses by place, which travel with the flows, and tallies, where nothing is lost."""

import struct
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rubin.kernel.maps import Map
from rubin.model.batch import Lost
from rubin.model.enums import LostSource

# enum loss_place of bpf/maps.h, in its order
PLACES = (
    ("kernel ring, sockets", LostSource.PERF_EVENT_RING_BUFFER),
    ("kernel ring, interfaces", LostSource.PERF_EVENT_RING_BUFFER),
    ("kernel ring, drops", LostSource.PERF_EVENT_RING_BUFFER),
    ("unreadable headers, sockets", LostSource.UNKNOWN_LOST_EVENT_SOURCE),
    ("unreadable headers, interfaces", LostSource.UNKNOWN_LOST_EVENT_SOURCE),
    ("unreadable headers, drops", LostSource.UNKNOWN_LOST_EVENT_SOURCE),
    ("ring of what is said", LostSource.PERF_EVENT_RING_BUFFER),
    ("said above the limit of a connection", LostSource.PERF_EVENT_RING_BUFFER),
    ("said above the agent's share of the machine", LostSource.PERF_EVENT_RING_BUFFER),
    ("said over TLS, on a connection that is not known", LostSource.UNKNOWN_LOST_EVENT_SOURCE),
)
# enum tally, in its order
TALLIES = (
    "records",
    "evicted from the table, sockets",
    "evicted from the table, interfaces",
    "frees that are no drops",
    "payloads",
    "connections with servers that say nothing that is read",
)


@dataclass(frozen=True, slots=True)
class Loss:
    """What was lost at a place since the start."""

    records: int
    packets: int
    bytes: int


class Losses:
    """The map `losses`, and how far it was told."""

    def __init__(self, counters: Map, node_name: str = "", pause_s: float = 1.0) -> None:
        self._map = counters
        self._node_name = node_name
        self._pause_ns = int(pause_s * 1e9)
        self._told = self._records()
        self._told_ns = np.full(self._told.shape[0], time.time_ns())

    def _records(self) -> npt.NDArray[np.uint64]:
        """(places, cpus) uint64."""
        return self._map.counters()[:, :, 0].copy()

    def totals(self) -> dict[str, Loss]:
        """All losses by place since the start, those without any left out."""
        sums = self._map.counters().sum(axis=1).tolist()
        return {_place(number): Loss(*map(int, row)) for number, row in enumerate(sums) if any(row)}

    def news(self, all_now: bool = False) -> tuple[Lost, ...]:
        """What was lost since it was last told: one entry a place, and a place at most once in `pause_s`.

        `all_now`: however short ago it was told, at the end.
        """
        now_ns = time.time_ns()
        records = self._records()
        lost = []
        for number in np.flatnonzero((records != self._told).any(axis=1)).tolist():
            if not all_now and now_ns - int(self._told_ns[number]) < self._pause_ns:
                continue
            lost.append(self._lost(number, records[number] - self._told[number], now_ns))
            self._told[number], self._told_ns[number] = records[number], now_ns
        return tuple(lost)

    def _lost(self, number: int, more: npt.NDArray[np.uint64], now_ns: int) -> Lost:
        cpus = np.flatnonzero(more)
        return Lost(
            source=PLACES[number][1] if number < len(PLACES) else LostSource.UNKNOWN_LOST_EVENT_SOURCE,
            events=int(more.sum()),
            time_ns=now_ns,
            first_ns=int(self._told_ns[number]),
            last_ns=now_ns,
            cpu=int(cpus[0]) if len(cpus) == 1 else -1,
            node_name=self._node_name,
            place=_place(number),
        )


def _place(number: int) -> str:
    return PLACES[number][0] if number < len(PLACES) else f"place {number} of the kernel's"


def tallies(counters: Map) -> dict[str, int]:
    """The map `tallies` by name."""
    raw = b"".join(counters.lookup(struct.pack("=I", index)) or b"" for index in range(counters.max_entries))
    sums = np.frombuffer(raw, np.uint64).reshape(counters.max_entries, -1).sum(axis=1)
    return dict(zip(TALLIES, map(int, sums), strict=False))

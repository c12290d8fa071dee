"""Drops by what they have in common: the reason, who, to whom, at which port.

Columns until the very end: of a drop 32 bytes are kept and where it is in the ring. Python runs once for each of the
pairs that are told apart, and these are at most `MOST_PAIRS`: a flood comes from ever new addresses.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.model.batch import Array, FlowBatch
from rubin.model.codes import I64, U64, mix
from rubin.model.enums import Protocol
from rubin.model.table import Table
from rubin.model.tables import Endpoint
from rubin.query.explaining.history import distinct
from rubin.query.pairs import goes_back
from rubin.query.places import DEFAULT_SCOPE, End, Place, place
from rubin.words import facts

Rows = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

MOST_PAIRS = 5_000
WITH_PORTS = (Protocol.TCP, Protocol.UDP, Protocol.SCTP)
_KEYS = ("drop_reason", "kernel_drop_reason", "traffic_direction", "protocol")
_ENDS = ("endpoint", "high", "low")
_BACK = ("is_reply", "tcp_flags", "source_port", "destination_port")
_REASONS, _NAMES = ("kernel_drop_reason",), ("source_endpoint", "destination_endpoint")
_PLACED = ("ip_version", *(f"{side}_{part}" for side in ("source", "destination") for part in _ENDS))


@dataclass(frozen=True, slots=True)
class Key:
    """What the drops of a group have in common. Without places: of pairs that are too many to be told apart."""

    reason: int
    kernel_reason: str
    direction: int
    protocol: int
    port: int
    is_back: bool  # to who opened: the port is the source's
    source: Place | None = None
    destination: Place | None = None


@dataclass(slots=True)
class Groups:
    """`keys`, how many `pairs` each has put together (0: its own alone), and of each drop the number of its key."""

    keys: list[Key]
    pairs: list[int]
    of: I64


class Dropped:
    """Takes drops, says which are alike. `times_ns` and `owned` (is its process known?) are in the order of coming."""

    def __init__(self) -> None:
        self.times_ns: I64 = np.zeros(0, np.int64)
        self.owned: Mask = np.zeros(0, np.bool_)
        self._views: list[tuple[FlowBatch, Rows]] = []
        self._starts: list[int] = []
        self._parts: list[tuple[I64, Mask, U64, U64, U64]] = []
        self._reasons: Table[str] = Table("")  # as numbers that mean the same in all segments
        self._names: Table[Endpoint] = Table(Endpoint())

    def add(self, view: FlowBatch, rows: Rows) -> None:
        """These rows of a view, which are drops."""
        some = FlowBatch({name: view[name][rows] for name in (*_KEYS, *_BACK, *_PLACED)}, view.tables)
        reasons, endpoints = (_renumber(some, *each) for each in ((self._reasons, _REASONS), (self._names, _NAMES)))
        common = mix(*(some[name] for name in _KEYS if name not in _REASONS), *reasons)
        alike = mix(common, *_port(some))
        pair = mix(alike, *_networks(some), *endpoints)
        self._starts.append(sum(len(rows) for _, rows in self._views))
        self._views.append((view, rows))
        self._parts.append((view["time_ns"][rows], view["process"][rows] > 0, common, alike, pair))

    def groups(self) -> Groups:
        """All of them, once all have come."""
        if not self._parts:
            return Groups([], [], np.zeros(0, np.int64))
        self.times_ns, self.owned, common, alike, pair = map(np.concatenate, zip(*self._parts, strict=True))
        _, first, where = np.unique(pair, return_index=True, return_inverse=True)
        kept, others = _most(np.bincount(where), first)
        numbers: dict[Key, int] = {}
        group = np.zeros(len(first), np.int64)
        group[kept] = [numbers.setdefault(key, len(numbers)) for key in self._keys(first[kept])]
        pairs = dict.fromkeys(numbers, 0)
        if len(others):
            by_port = len(distinct(alike[first[others]])) <= MOST_PAIRS
            like = alike if by_port else common
            group[others] = self._fold(first[others], like[first[others]], by_port, numbers, pairs)
        return Groups(list(pairs), list(pairs.values()), group[where])

    def ids(self, drops: Rows) -> Iterator[tuple[int, int]]:
        """The halves of the UUID of each; they are in order."""
        for batch in self._read(drops, ("uuid_high", "uuid_low")):
            yield from zip(batch["uuid_high"].tolist(), batch["uuid_low"].tolist(), strict=True)

    def owners(self, drops: Rows) -> Iterator[str]:
        """Whose socket each was at; they are in order."""
        for batch in self._read(drops, ("process",)):
            yield from map(facts.owner, batch.rows("process"))

    def _fold(self, drops: Rows, alike: U64, by_port: bool, numbers: dict[Key, int], pairs: dict[Key, int]) -> I64:
        """(n,) the groups of pairs that are not told apart, given one drop of each; new groups are added."""
        _, first, where, count = np.unique(alike, return_index=True, return_inverse=True, return_counts=True)
        order = np.argsort(drops[first])
        keys = self._keys(drops[first[order]], placed=False, by_port=by_port)
        found = np.zeros(len(first), np.int64)
        for at, key in zip(order.tolist(), keys, strict=True):
            found[at] = numbers.setdefault(key, len(numbers))
            pairs[key] = pairs.get(key, 0) + int(count[at])
        return found[where]

    def _keys(self, drops: Rows, placed: bool = True, by_port: bool = True) -> Iterator[Key]:
        """Of each, which are in order."""
        for batch in self._read(drops, (*_KEYS, *_BACK, *_PLACED)):
            port, back = _port(batch) if by_port else (np.zeros(len(batch), np.int64), np.zeros(len(batch), np.bool_))
            reason, direction, protocol = (batch[name].tolist() for name in _KEYS if name != "kernel_drop_reason")
            kernel = batch.rows("kernel_drop_reason")
            common = zip(reason, kernel, direction, protocol, port.tolist(), back.tolist(), strict=True)
            sides = zip(_places(batch, "source"), _places(batch, "destination"), strict=True) if placed else repeat(())
            for one, ends in zip(common, sides, strict=False):
                yield Key(*one, *ends)

    def _read(self, drops: Rows, names: Iterable[str]) -> Iterator[FlowBatch]:
        """Some columns of these, which are in order."""
        cuts = [*np.searchsorted(drops, self._starts).tolist(), len(drops)]
        for at, (view, rows) in enumerate(self._views):
            chosen = rows[drops[cuts[at] : cuts[at + 1]] - self._starts[at]]
            if len(chosen):
                yield FlowBatch({name: view[name][chosen] for name in names}, view.tables)


def end(batch: FlowBatch, row: int, side: str) -> End:
    """One end of a row."""
    endpoint = batch.tables.endpoints[int(batch[f"{side}_endpoint"][row])]
    high, low = int(batch[f"{side}_high"][row]), int(batch[f"{side}_low"][row])
    return End(endpoint, high, low, int(batch["ip_version"][row]))


def _port(batch: FlowBatch) -> tuple[Array, Mask]:
    """(n,) the port that was asked, 0 where there is none; and which rows go to who opened."""
    back = goes_back(batch)
    port = np.where(back, batch["source_port"], batch["destination_port"])
    return np.where(np.isin(batch["protocol"], WITH_PORTS), port, 0), back


def _renumber(batch: FlowBatch, table: Table[Any], names: Iterable[str]) -> Iterator[I64]:
    """(n,) the codes of these columns in a table of ours, where they were in the batch's."""
    for name in names:
        codes, where = np.unique(batch[name], return_inverse=True)
        distinct = FlowBatch({name: codes}, batch.tables).rows(name)
        yield np.asarray(table.codes(distinct), np.int64)[where]


def _networks(batch: FlowBatch) -> Iterator[Array]:
    """(n,) the halves of either side's address; of who has no name no more than tells its network apart."""
    yield batch["ip_version"]
    four, six = batch["ip_version"] == 1, batch["ip_version"] == 2
    for side in ("source", "destination"):
        low, high = batch[f"{side}_low"], batch[f"{side}_high"]
        nameless = batch[f"{side}_endpoint"] == 0
        low = np.where(nameless & four, low & ~np.uint64(0xFF), low)
        yield np.where(nameless & six & (high > 0), 0, low)  # beside ::1, which is this host
        yield high


def _most(counts: I64, first: Rows) -> tuple[Rows, Rows]:
    """The numbers of the greatest counts, `MOST_PAIRS` at most, and the others; either in the order of `first`."""
    kept = np.ones(len(counts), np.bool_)
    if len(counts) > MOST_PAIRS:
        kept[np.argpartition(-counts, MOST_PAIRS)[MOST_PAIRS:]] = False
    order = np.argsort(first)
    return order[kept[order]], order[~kept[order]]


def _places(batch: FlowBatch, side: str) -> Iterator[Place]:
    """Where the end of each row stands."""
    known: dict[tuple[int, ...], Place] = {}
    columns = (batch[name].tolist() for name in ("ip_version", *(f"{side}_{part}" for part in _ENDS)))
    for row, key in enumerate(zip(*columns, strict=True)):
        if key not in known:
            known[key] = place(DEFAULT_SCOPE, end(batch, row, side))
        yield known[key]

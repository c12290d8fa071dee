"""A flow's context labels as a number per row; the texts are made when somebody reads them.

A key holds, from the top: the source's code (19 bits), the destination's (19), the traffic direction
(2) and what the metric itself adds (24, its shape). Codes are of this process, not of a `Tables`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.metrics.options import Options
from rubin.metrics.said import Said
from rubin.metrics.words import words
from rubin.model.addresses import text
from rubin.model.batch import FlowBatch
from rubin.model.codes import Codes, mix
from rubin.model.lookup import Lookup
from rubin.model.tables import Endpoint

U64 = npt.NDArray[np.uint64]
Flows = FlowBatch | Said
Rows = npt.NDArray[np.int64] | slice

SHAPE_BITS = 24
SHAPE_MASK = (1 << SHAPE_BITS) - 1
_SIDE_BITS = 19
_SIDE_MASK = (1 << _SIDE_BITS) - 1
_DESTINATION = SHAPE_BITS + 2
_SOURCE = _DESTINATION + _SIDE_BITS
_GAP = "\0"  # stands where an address will; no word of an endpoint is this
_MASK = np.uint64(_SIDE_MASK)
_SLOTS = 16_384  # sparse: finding takes half as long as in a table that is half full
_FEW = 4096  # sides: below this nothing is gained by forgetting some
_TOO_MANY = 0  # the code of all sides beyond the limit


class Side:
    """Codes for one side's words; code 0 stands for all that came after `limit` others."""

    def __init__(self, side: str, chains: tuple[tuple[str, ...], ...], limit: int, shift: int) -> None:
        self._side, self._chains, self._shift = side, chains, shift
        self._limit = min(limit, _SIDE_MASK)
        self.asks_address = any("ip" in chain for chain in chains)
        self._codes: Lookup[Endpoint] = Lookup("endpoints", self._endpoint_code)
        self._without_address: Lookup[Endpoint] = Lookup("endpoints", self._pattern)
        self._patterns: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = {}
        self._addresses = self._no_addresses()
        self.values: list[tuple[str, ...]] = [()]
        self._by_values: dict[tuple[str, ...], int] = {}

    def keys(self, batch: Flows) -> U64 | np.uint64:
        """(n,) uint64: each row's code at its place in the key."""
        if not self._chains:
            return np.uint64(self._code(()) << self._shift)
        endpoints = batch[f"{self._side}_endpoint"]
        keys = self._codes(batch.tables)[endpoints]
        return self._with_addresses(batch, endpoints, keys) if self.asks_address else keys

    def _with_addresses(self, batch: Flows, endpoints: npt.NDArray[np.uint32], keys: U64) -> U64:
        """The same keys, told apart by address where the endpoint's own words do not suffice."""
        without = self._without_address(batch.tables)[endpoints]
        rows: Rows = np.flatnonzero(without) if not without.all() else slice(None)
        high, low = batch[f"{self._side}_high"][rows], batch[f"{self._side}_low"][rows]
        # without an IP header there is no address to name: version 0 makes another key
        mixed = mix(high, low, without[rows] << np.uint64(8) | batch["ip_version"][rows])
        found = self._addresses.find(mixed)
        unknown = np.flatnonzero(found < 0)
        if len(unknown):
            found[unknown] = self._learn(batch, np.arange(len(batch))[rows][unknown], mixed[unknown])
        keys[rows] = found.astype(np.uint64) << np.uint64(self._shift)
        return keys

    def _learn(self, batch: Flows, rows: npt.NDArray[np.int64], mixed: U64) -> npt.NDArray[np.int64]:
        """(n,) int64: the codes of sides seen for the first time, as far as there is room."""
        room = self._limit + 1 - len(self.values)
        if room <= 0:
            return np.zeros(len(rows), np.int64)
        _, first, where = np.unique(mixed, return_index=True, return_inverse=True)
        codes = np.zeros(len(first), np.int64)
        for number, at in enumerate(first[:room]):
            row = int(rows[at])
            high, low, version = (
                batch[name][row] for name in (f"{self._side}_high", f"{self._side}_low", "ip_version")
            )
            endpoint = batch.tables.endpoints[int(batch[f"{self._side}_endpoint"][row])]
            codes[number] = self._code(words(endpoint, self._chains, text(high, low) if version else ""))
            self._addresses.add(int(mixed[at]), int(codes[number]))
        return codes[where]

    def _endpoint_code(self, endpoint: Endpoint) -> int:
        return self._code(words(endpoint, self._chains, "")) << self._shift

    def _pattern(self, endpoint: Endpoint) -> int:
        """0 where the endpoint's words say it all; else a number for what it says with and without an address."""
        with_gap, without = words(endpoint, self._chains, _GAP), words(endpoint, self._chains, "")
        if _GAP not in with_gap:
            return 0
        return self._patterns.setdefault((with_gap, without), len(self._patterns) + 1)

    def _no_addresses(self) -> Codes:
        return Codes(_SLOTS if self.asks_address else 2)

    def _code(self, values: tuple[str, ...]) -> int:
        code = self._by_values.get(values)
        if code is None:
            if len(self.values) > self._limit:
                return _TOO_MANY
            code = self._by_values[values] = len(self.values)
            self.values.append(values)
        return code

    def keep(self, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
        """Forget all but these codes; returns the new code of each old one. Called between batches."""
        old = self.values
        self.values, self._by_values = [()], {}
        moved = np.zeros(len(old), np.uint64)
        for code in codes.tolist():
            moved[code] = self._code(old[code])
        self._codes.clear()
        self._without_address.clear()
        self._patterns.clear()
        self._addresses = self._no_addresses()
        return moved


class Texts(NamedTuple):
    """What the keys of one moment mean; later changes of the codes do not touch it."""

    options: Options
    source: Sequence[tuple[str, ...]]
    destination: Sequence[tuple[str, ...]]

    def same(self, other: "Texts") -> bool:
        """Whether a key means the same in both."""
        return self.source is other.source and self.destination is other.destination

    def values(self, key: int) -> tuple[str, ...]:
        """The context labels of a key, in the order of `options.names`."""
        direction = key >> SHAPE_BITS & 3
        source = self.source[key >> _SOURCE]
        destination = self.destination[key >> _DESTINATION & _SIDE_MASK]
        of_source, of_destination = len(self.options.source.labels), len(self.options.destination.labels)
        values = (*source[:of_source], *destination[:of_destination])
        if self.options.direction:
            values += (("unknown", "ingress", "egress", "unknown")[direction],)
        at = direction % 3
        return (*values, *source[of_source + at : of_source + at + 1], *destination[of_destination + at :][:1])


class Contexts:
    """The keys of one set of context options, worked out once a batch for all metrics that share it."""

    def __init__(self, options: Options, limit: int) -> None:
        self.options = options
        self._source = Side("source", options.source.chains, limit, _SOURCE)
        self._destination = Side("destination", options.destination.chains, limit, _DESTINATION)
        contexts = (options.source, options.destination)
        self._directed = options.direction or any(side.egress or side.ingress for side in contexts)
        self._last: tuple[Flows, U64] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The label names."""
        return self.options.names

    @property
    def asks_address(self) -> bool:
        """Whether words depend on addresses."""
        return self._source.asks_address or self._destination.asks_address

    def keys(self, batch: Flows) -> U64:
        """(n,) uint64: the context of each row, its shape bits zero."""
        if self._last is None or self._last[0] is not batch:
            self._last = batch, self._worked_out(batch)
        return self._last[1]

    def _worked_out(self, batch: Flows) -> U64:
        keys = np.zeros(len(batch), np.uint64)
        keys |= self._source.keys(batch)
        keys |= self._destination.keys(batch)
        if self._directed:
            keys |= batch["traffic_direction"].astype(np.uint64) << np.uint64(SHAPE_BITS)
        return keys

    def forget_batch(self) -> None:
        """Hold on to nothing of the last batch."""
        self._last = None

    def texts(self) -> Texts:
        """What keys mean now."""
        return Texts(self.options, self._source.values, self._destination.values)

    def crowds(self, keys: U64) -> bool:
        """Whether most of the sides held are in none of these keys, and they are many."""
        held = len(self._source.values) + len(self._destination.values)
        used = len(np.unique(keys >> np.uint64(_SOURCE))) + len(np.unique(keys >> np.uint64(_DESTINATION) & _MASK))
        return held > _FEW and held > 2 * used

    def keep(self, keys: U64) -> "Moved":
        """Forget all sides that none of these keys names; returns how keys change."""
        source = self._source.keep(np.unique(keys >> np.uint64(_SOURCE)).astype(np.int64))
        destination = np.unique(keys >> np.uint64(_DESTINATION) & _MASK).astype(np.int64)
        return Moved(source, self._destination.keep(destination))


class Moved(NamedTuple):
    """New codes of old ones, by side."""

    source: U64
    destination: U64

    def __call__(self, keys: U64) -> U64:
        """The keys as they are now called."""
        source = self.source[(keys >> np.uint64(_SOURCE)).astype(np.int64)]
        destination = self.destination[(keys >> np.uint64(_DESTINATION) & _MASK).astype(np.int64)]
        rest = keys & np.uint64((1 << _DESTINATION) - 1)
        moved: U64 = source << np.uint64(_SOURCE) | destination << np.uint64(_DESTINATION) | rest
        return moved


def crowded(keys: U64) -> npt.NDArray[np.bool_]:
    """(n,) bool: which keys name a side that could not be told apart any more."""
    source = keys >> np.uint64(_SOURCE) == 0
    return np.asarray(source | (keys >> np.uint64(_DESTINATION) & _MASK == 0), np.bool_)

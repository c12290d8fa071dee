"""Addresses to endpoint numbers, a whole column at once: told ones, then the narrowest CIDR, then the rest."""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from rubin.identity.claims import Claims
from rubin.identity.facts import Address
from rubin.model.addresses import Network, pair
from rubin.model.codes import Codes, mix

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

_LEARNED = 65_536  # addresses remembered besides the told ones
_LOW = (1 << 64) - 1
_NOBODY = -1
_SLOTS = 16_384  # sparse: finding takes half as long as in a table that is half full
_SKEW_NS = 5_000_000_000  # who tells of the time may have another clock


class Addresses:
    """`numbers(high, low, times_ns)` for told addresses and CIDRs; `rest` for all others, 0 where there is none."""

    def __init__(self, claims: Claims, rest: int) -> None:
        self._claims, self._rest = claims, rest
        self._groups: list[_Group] = []
        self._slots = Codes(_SLOTS)
        self._places: list[Address] = []
        self._number: I64 = np.full(1024, _NOBODY, np.int64)
        self._since_ns: I64 = np.zeros(1024, np.int64)
        self._latest_ns = 0  # of `_since_ns`: most flows are younger than all of them
        self.renew()

    def renew(self) -> None:
        """Forget what was learned."""
        self._learned = Codes(4096)

    @property
    def full(self) -> bool:
        """True where no further address is learned."""
        return len(self._learned) >= _LEARNED

    def set_networks(self, cidrs: Mapping[str, int]) -> None:
        """Endpoints of CIDRs."""
        groups: dict[int, dict[str, int]] = {}
        for cidr, number in cidrs.items():
            groups.setdefault(Network(cidr).length, {})[cidr] = number
        self._groups = [_Group(length, group) for length, group in sorted(groups.items(), reverse=True)]
        self.renew()

    def note(self, places: Iterable[Address]) -> None:
        """The claims at these addresses have changed."""
        distinct = list(dict.fromkeys(places))
        if not distinct:
            return
        keys = _keys(place.address for place in distinct)
        new = np.flatnonzero(self._slots.find(keys) < 0)
        self._slots.add_all(keys[new], np.arange(len(self._places), len(self._places) + len(new)))
        self._places += [distinct[index] for index in new.tolist()]
        while len(self._number) <= len(self._places):  # the last stays nobody's: slot -1 finds it there
            self._number = np.concatenate([self._number, np.full(len(self._number), _NOBODY, np.int64)])
            self._since_ns = np.concatenate([self._since_ns, np.zeros(len(self._since_ns), np.int64)])
        for slot, place in zip(self._slots.find(keys).tolist(), distinct, strict=True):
            self._number[slot], self._since_ns[slot] = self._held(place)
        self._latest_ns = int(self._since_ns.max())

    def _held(self, place: Address) -> tuple[int, int]:
        """Who has the address now, and from when nobody else can have had it."""
        claim, held = self._claims.now(place), self._claims.all(place)
        if claim is None:
            return _NOBODY, max((one.until_ns for one in held), default=0)
        others = any(one is not claim for one in held)
        return claim.number, claim.since_ns if others else claim.since_ns - _SKEW_NS

    def numbers(self, high: U64, low: U64, times_ns: I64) -> I64:
        """(n,) int64: whose each address was at its time; of m times, the first and the next m addresses have them."""
        keys = mix(high, low)
        slots = self._slots.find(keys)
        numbers = self._number[slots]
        if times_ns.min(initial=self._latest_ns) < self._latest_ns:
            times_ns = np.resize(times_ns, len(keys))
            early = np.flatnonzero((slots >= 0) & (times_ns < self._since_ns[slots]))
            self._go_back(numbers, early, slots, times_ns)
        rest = np.flatnonzero(numbers < 0)
        if len(rest):
            numbers[rest] = self._others(keys[rest], high[rest], low[rest])
        return numbers

    def _go_back(self, numbers: I64, rows: I64, slots: I64, times_ns: I64) -> None:
        """Fill in who had the addresses before who has them now. Few rows: what was late, or asked again."""
        for row in rows.tolist():
            claim = self._claims.then(self._places[int(slots[row])], int(times_ns[row]))
            numbers[row] = _NOBODY if claim is None else claim.number

    def _others(self, keys: U64, high: U64, low: U64) -> I64:
        numbers = self._learned.find(keys)
        new = np.flatnonzero(numbers < 0)
        if len(new):
            numbers[new] = self._decided(high[new], low[new])
            self._learn(keys[new], numbers[new])
        return numbers

    def _decided(self, high: U64, low: U64) -> I64:
        """(n,) int64: by CIDR. Vectorised, for a flood brings a new address with every row."""
        numbers = np.full(len(high), self._rest, np.int64)
        numbers[(high == 0) & (low == 0)] = 0
        open_rows = np.arange(len(high))
        for group in self._groups:
            found = group.numbers(high[open_rows], low[open_rows])
            numbers[open_rows[found >= 0]] = found[found >= 0]
            open_rows = open_rows[found < 0]
        return numbers

    def _learn(self, keys: U64, numbers: I64) -> None:
        room = _LEARNED - len(self._learned)
        if room > 0:
            unique, first = np.unique(keys, return_index=True)
            self._learned.add_all(unique[:room], numbers[first[:room]])


class _Group:
    """The CIDRs of one length."""

    def __init__(self, length: int, cidrs: Mapping[str, int]) -> None:
        mask = ((1 << length) - 1) << (128 - length)
        self._high, self._low = np.uint64(mask >> 64), np.uint64(mask & _LOW)
        self._codes = Codes(1 << max(4, (8 * len(cidrs)).bit_length()))
        keys = _keys(Network(cidr).text.partition("/")[0] for cidr in cidrs)
        self._codes.add_all(keys, np.array(list(cidrs.values()), np.int64))

    def numbers(self, high: U64, low: U64) -> I64:
        """(n,) int64: the number of the CIDR of this length that holds each address, -1 for none."""
        return self._codes.find(mix(high & self._high, low & self._low))


def _keys(addresses: Iterable[str]) -> U64:
    halves = np.array([pair(address) for address in addresses], np.uint64).reshape(-1, 2)
    return mix(halves[:, 0], halves[:, 1])

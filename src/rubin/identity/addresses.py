"""Addresses to endpoint numbers, a whole column at once: told ones, then the narrowest CIDR, then the rest."""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from rubin.model.addresses import Network, pair
from rubin.model.codes import Codes, mix

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

_LEARNED = 65_536  # addresses remembered besides the told ones
_LOW = (1 << 64) - 1


class Addresses:
    """`numbers(high, low)` for told addresses and CIDRs; `rest` for all others, 0 where there is no address."""

    def __init__(self, told: Mapping[str, int], cidrs: Mapping[str, int], rest: int) -> None:
        self._told = dict(zip(_keys(told), told.values(), strict=True))
        self._rest = rest
        groups: dict[int, dict[str, int]] = {}
        for cidr, number in cidrs.items():
            groups.setdefault(Network(cidr).length, {})[cidr] = number
        self._groups = [_Group(length, group) for length, group in sorted(groups.items(), reverse=True)]
        self.renew()

    def renew(self) -> None:
        """Forget what was learned."""
        self._known = Codes(1 << max(12, (8 * len(self._told)).bit_length()))
        for key, number in self._told.items():
            self._known.add(key, number)

    @property
    def full(self) -> bool:
        """True where no further address is learned."""
        return len(self._known) >= len(self._told) + _LEARNED

    def numbers(self, high: U64, low: U64) -> I64:
        """(n,) int64."""
        keys = mix(high, low)
        numbers = self._known.find(keys)
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
        room = len(self._told) + _LEARNED - len(self._known)
        if room > 0:
            unique, first = np.unique(keys, return_index=True)
            for key, number in zip(unique[:room].tolist(), numbers[first[:room]].tolist(), strict=True):
                self._known.add(key, number)


class _Group:
    """The CIDRs of one length."""

    def __init__(self, length: int, cidrs: Mapping[str, int]) -> None:
        mask = ((1 << length) - 1) << (128 - length)
        self._high, self._low = np.uint64(mask >> 64), np.uint64(mask & _LOW)
        self._codes = Codes(1 << max(4, (8 * len(cidrs)).bit_length()))
        firsts = [Network(cidr).text.partition("/")[0] for cidr in cidrs]
        for key, number in zip(_keys(firsts), cidrs.values(), strict=True):
            self._codes.add(key, number)

    def numbers(self, high: U64, low: U64) -> I64:
        """(n,) int64: the number of the CIDR of this length that holds each address, -1 for none."""
        return self._codes.find(mix(high & self._high, low & self._low))


def _keys(addresses: Iterable[str]) -> list[int]:
    halves = np.array([pair(address) for address in addresses], np.uint64).reshape(-1, 2)
    keys: list[int] = mix(halves[:, 0], halves[:, 1]).tolist()
    return keys

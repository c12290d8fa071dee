"""Addresses and CIDRs of a filter as one test over the two address columns."""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from rubin.errors import UsageError
from rubin.model.addresses import U64, Network, is_v4, pair

_V4 = 0xFFFF << 32
_FEW = 4  # up to here comparing with each range beats searching among their edges


class Networks:
    """The union of addresses and CIDRs; `field` is named when one of them is none. Raises UsageError.

    An IPv4 address lies in no IPv6 network, not even in `::/0`, and the other way round, as in Go.
    """

    def __init__(self, texts: Iterable[str], field: str) -> None:
        networks = [_network(text, field) for text in texts]
        self._v6 = [network for network in networks if not _is_v4(network)]
        self._edges = _edges([network for network in networks if _is_v4(network)])

    def contains(self, high: U64, low: U64) -> npt.NDArray[np.bool_]:
        """(n,) bool: which addresses lie in one of them; rows without an IP header read as `::`."""
        found = self._within(low)
        found &= high == 0
        if self._v6:
            others = np.zeros(len(high), np.bool_)
            for network in self._v6:
                others |= network.contains(high, low)
            found |= others & ~is_v4(high, low)
        return found

    def _within(self, low: U64) -> npt.NDArray[np.bool_]:
        """(n,) bool: which low halves lie between the edges of the IPv4 ranges."""
        if len(self._edges) > 2 * _FEW:
            return (np.searchsorted(self._edges, low, "right") & 1).astype(np.bool_)
        found: npt.NDArray[np.bool_] | None = None
        for first, end in self._edges.reshape(-1, 2):
            hit = low - first < end - first  # one comparison: what lies below wraps around
            found = hit if found is None else found | hit
        return np.zeros(len(low), np.bool_) if found is None else found

    def holds(self, text: str) -> bool:
        """Whether an address written as text lies in one of them; False where it is none."""
        try:
            high, low = pair(text)
        except ValueError:
            return False
        return bool(self.contains(np.array([high], np.uint64), np.array([low], np.uint64))[0])


def _network(text: str, field: str) -> Network:
    # Python also takes netmasks (10.0.0.0/255.0.0.0) and zones (fe80::1%eth0), which Hubble refuses
    try:
        if re.search(r"%|/(?![0-9]+\Z)", text):
            raise ValueError
        return Network(text)
    except ValueError:
        raise UsageError(
            f"{field} '{text}' is neither an IP address nor a CIDR", "write 10.0.0.1, 10.0.0.0/8, fd00::1 or fd00::/64"
        ) from None


def _span(network: Network) -> tuple[int, int]:
    """First and one past the last address, as 128-bit numbers."""
    address = network.text.partition("/")[0]
    high, low = pair(address)
    first = high << 64 | low
    return first, first + (1 << (128 - network.length))


def _is_v4(network: Network) -> bool:
    return network.length >= 96 and _span(network)[0] >> 32 == 0xFFFF


def _edges(networks: list[Network]) -> U64:
    """Starts and ends of the merged ranges, in turn: an address inside has an odd number below it."""
    edges: list[int] = []
    for first, end in sorted(_span(network) for network in networks):
        if edges and first <= edges[-1]:
            edges[-1] = max(edges[-1], end)
        else:
            edges += [first, end]
    return np.array(edges, np.uint64)

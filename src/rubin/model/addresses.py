"""IP addresses as two uint64 columns; IPv4 is mapped into IPv6 (RFC 4291, 2.5.5.2)."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

_V4_PREFIX = 0xFFFF << 32
_LOW = (1 << 64) - 1


def pair(text: str) -> tuple[int, int]:
    """The (high, low) halves of an address written as text. Raises ValueError."""
    address = ip_address(text)
    number = int(address)
    if address.version == 4:
        return 0, _V4_PREFIX | number
    return number >> 64, number & _LOW


def text(high: int, low: int) -> str:
    """The address as text, IPv4 as IPv4. Whether there is one at all, `ip_version` says."""
    high, low = int(high), int(low)
    if not high and low >> 32 == 0xFFFF:
        return str(IPv4Address(low & 0xFFFFFFFF))
    return str(IPv6Address(high << 64 | low))


def is_v4(high: U64, low: U64) -> Mask:
    """(n,) bool: which rows are IPv4."""
    mask: Mask = (high == 0) & (low >> np.uint64(32) == 0xFFFF)
    return mask


class Network:
    """A CIDR as masks over the two halves: `Network("10.0.0.0/8").contains(high, low)`.

    Raises ValueError where the text is neither an address nor a CIDR. Host bits are ignored.
    """

    def __init__(self, cidr: str) -> None:
        network = ip_network(cidr, strict=False)
        length = network.prefixlen + (96 if network.version == 4 else 0)
        high, low = pair(str(network.network_address))
        mask = int(IPv6Network(f"::/{length}").netmask)
        self.text = str(network)
        self.length = length
        self._high, self._low = np.uint64(high), np.uint64(low)
        self._mask_high, self._mask_low = np.uint64(mask >> 64), np.uint64(mask & _LOW)

    def contains(self, high: U64, low: U64) -> Mask:
        """(n,) bool: which addresses lie in the network."""
        mask: Mask = ((high & self._mask_high) == self._high) & ((low & self._mask_low) == self._low)
        return mask

    def __repr__(self) -> str:
        return f"Network({self.text})"


def mapped(raw: npt.NDArray[np.uint8]) -> tuple[U64, U64]:
    """(n, 16) network-order bytes, IPv4 already mapped, to the two columns."""
    words = np.ascontiguousarray(raw).view(">u8").reshape(-1, 2)
    return words[:, 0].astype(np.uint64), words[:, 1].astype(np.uint64)

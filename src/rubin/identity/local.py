"""A machine's own addresses: the host. Loopback is the host too."""

import socket
import struct
import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from rubin.identity.facts import HOST, Address, Changes, Fact, Network

_READ_S = 1.0
_LOOPBACK = ("127.0.0.0/8", "::1/128")

# As rtnetlink(7) and linux/if_addr.h say
_NEW_ADDRESS, _GET_ADDRESS, _DONE, _ERROR = 20, 22, 3, 2
_REQUEST_DUMP = 0x301
_HEADER = struct.Struct("=IHHII")
_IFADDR_SIZE = 8
_IFA_ADDRESS, _IFA_LOCAL = 1, 2


def own_addresses() -> frozenset[str]:
    """The addresses of all interfaces in this network namespace, as text. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as netlink:
        netlink.bind((0, 0))
        netlink.settimeout(1.0)
        netlink.send(_HEADER.pack(_HEADER.size + _IFADDR_SIZE, _GET_ADDRESS, _REQUEST_DUMP, 1, 0) + bytes(_IFADDR_SIZE))
        found: set[str] = set()
        while addresses_in(netlink.recv(1 << 16), found):
            pass
        return frozenset(found)


def addresses_in(data: bytes, found: set[str]) -> bool:
    """Add the addresses of an answer's messages; False at the end of the answer. What is cut is left out."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if kind in (_DONE, _ERROR) or length < _HEADER.size:
            return False
        if kind == _NEW_ADDRESS:
            attributes = _attributes(data[at + _HEADER.size + _IFADDR_SIZE : at + length])
            # of a point-to-point link, ADDRESS is the peer's and LOCAL ours
            raw = attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS, b""))
            if len(raw) in (4, 16):
                found.add(str(ip_address(raw)))
        at += (length + 3) & ~3
    return len(data) > 0


def _attributes(body: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, at)
        if length < 4:
            break
        found[kind] = body[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


class Local:
    """The provider of the host's addresses; `addresses` reads them."""

    name, rank = "local", 0

    def __init__(
        self,
        addresses: Callable[[], Iterable[str]] = own_addresses,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._clock = addresses, clock
        self._read_at = clock()
        self._addresses: frozenset[str] | None = None
        self._fault = ""

    def changes(self) -> Changes:
        """The host, at each of its addresses and all of loopback; what cannot be read leaves the last ones."""
        if self._clock() < self._read_at:
            return {}
        self._read_at = self._clock() + _READ_S
        before = self._addresses
        try:
            self._addresses = frozenset(self._read())
            self._fault = ""
        except OSError as error:
            self._addresses = before or frozenset()
            self._fault = f"; cannot be read now: {error}"
        if self._addresses == before:
            return {}
        facts = [Fact(Address(address), HOST) for address in sorted(self._addresses)]
        return {"": [*facts, *(Fact(Network(cidr), HOST) for cidr in _LOOPBACK)]}

    def status(self) -> str:
        """How many addresses."""
        return f"{len(self._addresses or ())} addresses of this host{self._fault}"

    def close(self) -> None:
        """Nothing runs."""

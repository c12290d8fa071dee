"""A machine's own addresses: the host. Loopback is the host too."""

import socket
import struct
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from rubin.identity.facts import HOST, Address, Fact, Network

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

    def __init__(self, addresses: Callable[[], Iterable[str]] = own_addresses) -> None:
        self._read = addresses
        self._addresses: frozenset[str] = frozenset()
        self._fault = ""

    def refresh(self) -> bool:
        """Read the addresses; what cannot be read leaves the last ones."""
        try:
            addresses = frozenset(self._read())
        except OSError as error:
            self._fault = f"; cannot be read now: {error}"
            return False
        self._fault = ""
        changed, self._addresses = addresses != self._addresses, addresses
        return changed

    def facts(self) -> Iterable[Fact]:
        """The host, at each of its addresses and all of loopback."""
        for address in sorted(self._addresses):
            yield Fact(Address(address), HOST)
        for cidr in _LOOPBACK:
            yield Fact(Network(cidr), HOST)

    def status(self) -> str:
        """How many addresses."""
        return f"{len(self._addresses)} addresses of this host{self._fault}"

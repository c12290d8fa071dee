"""Network interfaces of this namespace: what there is, what comes and goes (rtnetlink(7)), which to watch."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase

from rubin.kernel.netlink import Message, Netlink, attributes

_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK = 16, 17, 18
_RTMGRP_LINK = 1
_IFLA_IFNAME, _IFLA_LINK, _IFLA_LINKINFO, _IFLA_INFO_KIND, _IFLA_LINK_NETNSID = 3, 5, 18, 1, 37
_INFO = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, change
_IFF_LOOPBACK, _ARPHRD_ETHER = 0x8, 1


class Kind(IntEnum):
    """What an interface is, as far as it decides how a packet on it is called."""

    OTHER = 0
    PHYSICAL = 1  # a device without a kind of its own: it leads to the network
    VETH = 2  # the host's side of a pod's or container's
    BRIDGE = 3
    LOOPBACK = 4
    TUNNEL = 5  # vxlan, geneve, ipip, gre: packets come out of, or go into, an outer header


_KINDS = {
    **dict.fromkeys(("veth", "netkit"), Kind.VETH),
    "bridge": Kind.BRIDGE,
    **dict.fromkeys(("vxlan", "geneve", "ipip", "sit", "gre", "gretap", "ip6gre", "ip6tnl", "wireguard"), Kind.TUNNEL),
    **dict.fromkeys(("bond", "team", "vlan", "macvlan", "ipvlan", ""), Kind.PHYSICAL),
}


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface. `ethernet`: its packets begin with an Ethernet header."""

    index: int
    name: str
    kind: Kind
    ethernet: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """An interface that is there (new or changed), or that has gone."""

    interface: Interface
    gone: bool


def parse(message: Message) -> Change | None:
    """What a link message tells; None for any other message or one that is cut short."""
    if message.type not in (_RTM_NEWLINK, _RTM_DELLINK) or len(message.body) < _INFO.size:
        return None
    _, hardware, index, flags, _ = _INFO.unpack_from(message.body)
    found = attributes(message.body[_INFO.size :])
    name = found.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace")
    text = attributes(found.get(_IFLA_LINKINFO, b"")).get(_IFLA_INFO_KIND, b"").rstrip(b"\0").decode(errors="replace")
    kind = Kind.LOOPBACK if flags & _IFF_LOOPBACK else _KINDS.get(text, Kind.OTHER)
    ethernet = hardware == _ARPHRD_ETHER or kind is Kind.LOOPBACK
    return Change(Interface(index, name, kind, ethernet), message.type == _RTM_DELLINK)


class Interfaces:
    """The interfaces of this network namespace, followed. `fileno` becomes readable when something changed."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._news = Netlink(groups=_RTMGRP_LINK)  # before the first dump, so that nothing falls in between
        self._known: dict[int, Interface] = {}
        self._names: dict[int, str] = {}
        self.refresh()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._news.fileno()

    def __iter__(self) -> Iterator[Interface]:
        return iter(list(self._known.values()))

    def name(self, index: int) -> str:
        """The name of an interface, also of one that has gone since; "" where it was never seen."""
        return self._names.get(index, "")

    def refresh(self) -> None:
        """List all anew."""
        netlink = Netlink()
        found = [parse(message) for message in netlink.dump(_RTM_GETLINK, _INFO.pack(0, 0, 0, 0, 0))]
        netlink.close()
        self._known = {change.interface.index: change.interface for change in found if change}
        self._names.update((interface.index, interface.name) for interface in self._known.values())

    def follow(self) -> bool:
        """Take in what changed, without waiting; True where something did."""
        before = dict(self._known)
        try:
            for message in self._news.notifications():
                self._take(parse(message))
        except OSError:  # ENOBUFS: the kernel could not tell all
            self.refresh()
        return before != self._known

    def _take(self, change: Change | None) -> None:
        if change is None:
            return
        interface = change.interface
        if change.gone:
            self._known.pop(interface.index, None)
        else:
            self._known[interface.index] = interface
            self._names[interface.index] = interface.name

    def close(self) -> None:
        """Stop following."""
        self._news.close()


def chosen(interfaces: Iterable[Interface], patterns: tuple[str, ...]) -> list[Interface]:
    """Those whose name matches a pattern (`eth0`, `veth*`); a pattern that begins with "!" takes away again.

    Without patterns: physical devices, the host's side of veths, and tunnels. Not bridges, whose
    packets pass their ports, nor the loopback, whose packets stay between sockets.
    """
    if not patterns:
        return [interface for interface in interfaces if interface.kind in (Kind.PHYSICAL, Kind.VETH, Kind.TUNNEL)]
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")] or ["*"]
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    return [
        interface
        for interface in interfaces
        if any(fnmatchcase(interface.name, pattern) for pattern in wanted)
        and not any(fnmatchcase(interface.name, pattern) for pattern in unwanted)
    ]

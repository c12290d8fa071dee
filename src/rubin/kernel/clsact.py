"""tc filters at clsact, for kernels without tcx (before 6.6): rtnetlink's answer to a link.

Unlike links they outlive a killed process, so ours carry a tag, by which the next start finds and
removes them. What is foreign, qdiscs and filters alike, is never touched. Numbers: linux/pkt_sched.h,
linux/pkt_cls.h.
"""

import errno
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from rubin.kernel.netlink import CREATE, EXCL, Message, Netlink, attribute, attributes

TAG = "rubin_"
PRIORITY, HANDLE = 0xB100, 0x5B1
_NEWQDISC, _GETQDISC, _NEWTFILTER, _DELTFILTER, _GETTFILTER = 36, 38, 44, 45, 46
_KIND, _OPTIONS = 1, 2
_BPF_FD, _BPF_NAME, _BPF_FLAGS = 6, 7, 8
_DIRECT_ACTION = 1
_CLSACT, _QDISC_HANDLE = 0xFFFFFFF1, 0xFFFF0000
_INGRESS, _EGRESS = 0xFFFFFFF2, 0xFFFFFFF3
_ALL_PROTOCOLS = 0x0300  # htons(ETH_P_ALL)
_INFO = struct.Struct("=BxxxiIII")  # struct tcmsg: family, index, handle, parent, info


@dataclass(frozen=True, slots=True)
class Filter:
    """A BPF filter at clsact."""

    index: int
    parent: int
    priority: int
    handle: int
    name: str
    protocol: int = _ALL_PROTOCOLS

    @property
    def ours(self) -> bool:
        """Whether it carries the tag, all three parts of it."""
        return self.name.startswith(TAG) and self.priority == PRIORITY and self.handle == HANDLE


def attach(netlink: Netlink, index: int, program_fd: int, name: str, egress: bool) -> None:
    """A program as a filter with our tag, at a clsact that is made where there is none. Raises OSError."""
    qdisc = _INFO.pack(0, index, _QDISC_HANDLE, _CLSACT, 0) + attribute(_KIND, b"clsact\0")
    with suppress(FileExistsError):  # it is someone's; filters live side by side
        netlink.request(_NEWQDISC, qdisc, CREATE | EXCL)
    body = _INFO.pack(0, index, HANDLE, _EGRESS if egress else _INGRESS, PRIORITY << 16 | _ALL_PROTOCOLS)
    options = (
        attribute(_BPF_FD, struct.pack("=I", program_fd))
        + attribute(_BPF_NAME, name.encode() + b"\0")
        + attribute(_BPF_FLAGS, struct.pack("=I", _DIRECT_ACTION))
    )
    netlink.request(_NEWTFILTER, body + attribute(_KIND, b"bpf\0") + attribute(_OPTIONS, options), CREATE | EXCL)


def remove(netlink: Netlink, found: Filter) -> None:
    """Remove one filter; nothing happens where it or its interface has gone meanwhile. Raises OSError."""
    info = found.priority << 16 | found.protocol
    body = _INFO.pack(0, found.index, found.handle, found.parent, info) + attribute(_KIND, b"bpf\0")
    try:
        netlink.request(_DELTFILTER, body)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV, errno.EINVAL):
            raise


def filters(netlink: Netlink, index: int) -> list[Filter]:
    """All BPF filters at an interface's clsact, ours and others'; none where it has no clsact. Raises OSError."""
    found: list[Filter] = []
    for parent in (_INGRESS, _EGRESS):
        try:
            messages = list(netlink.dump(_GETTFILTER, _INFO.pack(0, index, 0, parent, 0)))
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENODEV, errno.ENOENT):  # no clsact, no interface
                return found
            raise
        found += [parsed for message in messages if (parsed := parse(message)) is not None]
    return found


def parse(message: Message) -> Filter | None:
    """The BPF filter that a message tells of; None for other kinds and for messages that are cut short."""
    if message.type != _NEWTFILTER or len(message.body) < _INFO.size:
        return None
    _, index, handle, parent, info = _INFO.unpack_from(message.body)
    found = attributes(message.body[_INFO.size :])
    if found.get(_KIND, b"").rstrip(b"\0") != b"bpf" or not handle:
        return None
    name = attributes(found.get(_OPTIONS, b"")).get(_BPF_NAME, b"").rstrip(b"\0").decode(errors="replace")
    return Filter(index, parent, info >> 16, handle, name, info & 0xFFFF)


def interfaces_with_clsact(netlink: Netlink) -> Iterator[int]:
    """The indexes of all interfaces that have a clsact. Raises OSError."""
    for message in netlink.dump(_GETQDISC, _INFO.pack(0, 0, 0, 0, 0)):
        if len(message.body) < _INFO.size:
            continue
        kind = attributes(message.body[_INFO.size :]).get(_KIND, b"").rstrip(b"\0")
        if kind == b"clsact":
            yield _INFO.unpack_from(message.body)[1]


def remove_ours(netlink: Netlink) -> int:
    """How many filters with our tag were removed, on all interfaces: what a killed agent left. Raises OSError."""
    ours = [found for index in set(interfaces_with_clsact(netlink)) for found in filters(netlink, index) if found.ours]
    for found in ours:
        remove(netlink, found)
    return len(ours)


def remove_ours_here() -> int:
    """`remove_ours` in this network namespace. Raises OSError."""
    netlink = Netlink()
    try:
        return remove_ours(netlink)
    finally:
        netlink.close()

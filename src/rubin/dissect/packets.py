"""The headers of many packets at once: bytes in, columns out; never raises, whatever the bytes.

Ethernet with VLAN tags, Linux cooked captures, PPP, raw IP; IPv4 with options and fragments (RFC 791), IPv6
with extension headers (RFC 8200), the inside of VXLAN (RFC 7348), TCP, UDP, SCTP, ICMP and ICMPv6.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rubin.dissect.transport import transport
from rubin.dissect.view import I64, Mask, View, empty_columns
from rubin.model.batch import Array
from rubin.model.enums import IPVersion, Protocol

ETHERNET, PPP, PPP_HDLC, LINUX_SLL, LINUX_SLL2, IPV4, IPV6 = 1, 9, 50, 113, 276, 228, 229
_FAMILY_FIRST = frozenset({0, 108})  # BSD loopback: four bytes of address family, whose numbers differ by system
_RAW = frozenset({12, 14, 101, IPV4, IPV6})
LINK_TYPES = frozenset({ETHERNET, PPP, PPP_HDLC, LINUX_SLL, LINUX_SLL2}) | _FAMILY_FIRST | _RAW
"""The link types (https://www.tcpdump.org/linktypes.html) that `parse` knows."""

_TYPE_IPV4, _TYPE_IPV6 = 0x0800, 0x86DD
_VLAN_TYPES = (0x8100, 0x88A8, 0x9100)
_MOST_TAGS = 4
_EXTENSIONS = (0, 43, 44, 51, 60, 135, 139, 140)
_MOST_EXTENSIONS = 8
_VXLAN_PORTS = (4789, 8472)  # IANA's, and Linux' own that Cilium and flannel use
_NO_TYPE = -1
_V4_MAPPED = np.uint64(0xFFFF << 32)


@dataclass(frozen=True, slots=True)
class Frames:
    """Where the link layer ends, per packet, and what it said. MACs are 48-bit numbers, 0 where there is none."""

    at: I64
    ether_type: I64
    source_mac: I64
    destination_mac: I64
    vlan: I64
    ifindex: I64


@dataclass(frozen=True, slots=True)
class Packets:
    """Columns by name (addresses to SCTP chunk, and `bytes` at layer 3), one row a packet.

    `broken` marks rows whose headers are cut or senseless: what could not be read is the column's missing value.
    `tunnelled` are the rows that show the inside of a VXLAN packet; `outer` has their outer columns, `vni` the network.
    """

    columns: dict[str, Array]
    frames: Frames
    broken: Mask
    tunnelled: I64
    outer: dict[str, Array]
    vni: I64
    transport: I64
    """Where the header of layer 4 is in the data; -1: nowhere."""
    end: I64
    """Where what was captured of each packet ends, without what pads a frame."""
    wire_end: I64
    """Where the packet would end if all of it had been captured."""


def parse(data: npt.NDArray[np.uint8], starts: I64, captured: I64, lengths: I64, link_type: int) -> Packets:
    """Packets that lie in `data` from `starts` on, `captured` bytes each, of `lengths` bytes on the wire.

    `data` has at least 8 bytes behind the last packet. `link_type` is one of LINK_TYPES.
    """
    view = View(data, starts, starts + captured)
    frames = _frames(view, link_type)
    columns, broken, payload = _network(view, frames, starts + lengths)
    inside = _vxlan(view, columns, payload, broken)
    wire_end = frames.at + columns["bytes"].astype(np.int64)
    packets = Packets(columns, frames, broken, inside, {}, inside, payload, view.end, wire_end)
    return _unwrapped(view, packets, payload, starts + lengths) if len(inside) else packets


def _unwrapped(view: View, packets: Packets, payload: I64, wire_end: I64) -> Packets:
    """The same with the inside of VXLAN packets in the place of the outside, where it is IP."""
    rows = packets.tunnelled
    inner_view = View(view.data, payload[rows] + 16, view.end[rows])
    inner = _frames(inner_view, ETHERNET)
    columns, broken, transport = _network(inner_view, inner, wire_end[rows])
    known = columns["ip_version"] != 0
    packets.broken[rows[~known]] |= broken[~known]
    inside, vni = rows[known], view.u4(payload + 12)[rows[known]] >> 8
    outer = {name: column[inside].copy() for name, column in packets.columns.items()}
    for name, column in packets.columns.items():
        column[inside] = columns[name][known]
    packets.broken[inside] = broken[known]
    for name in ("source_mac", "destination_mac", "vlan"):
        getattr(packets.frames, name)[inside] = getattr(inner, name)[known]
    packets.transport[inside], packets.end[inside] = transport[known], inner_view.end[known]
    packets.wire_end[inside] = (inner.at + columns["bytes"].astype(np.int64))[known]
    return replace(packets, tunnelled=inside, outer=outer, vni=vni)


def _frames(view: View, link_type: int) -> Frames:
    at, none = view.start.copy(), np.zeros(len(view.start), np.int64)
    if link_type == ETHERNET:
        frames = Frames(at + 14, view.u2(at + 12), view.mac(at + 6), view.mac(at), none, none.copy())
    elif link_type == LINUX_SLL:
        mac = _cooked_mac(view, view.u2(at + 4), at + 6)
        frames = Frames(at + 16, view.u2(at + 14), mac, none, none.copy(), none.copy())
    elif link_type == LINUX_SLL2:
        mac = _cooked_mac(view, view.u1(at + 11), at + 12)
        ifindex = np.where(at + 8 <= view.end, view.u4(at + 4), 0)
        frames = Frames(at + 20, view.u2(at), mac, none, none.copy(), ifindex)
    elif link_type in (PPP, PPP_HDLC):
        framed = view.u2(at) == 0xFF03
        at += np.where(framed, 4, 2)
        kind = view.u2(at - 2)
        ether_type = np.select([kind == 0x21, kind == 0x57], [_TYPE_IPV4, _TYPE_IPV6], kind)
        return Frames(at, ether_type, none, none.copy(), none.copy(), none.copy())
    else:
        at += 4 if link_type in _FAMILY_FIRST else 0
        version = view.u1(at) >> 4
        ether_type = np.select([version == 4, version == 6], [_TYPE_IPV4, _TYPE_IPV6], _NO_TYPE)
        return Frames(at, ether_type, none, none.copy(), none.copy(), none.copy())
    return _untagged(view, frames)


def _cooked_mac(view: View, length: I64, at: I64) -> I64:
    return np.where(length == 6, view.mac(at), 0)


def _untagged(view: View, frames: Frames) -> Frames:
    """Behind the VLAN tags; the outermost names the VLAN."""
    for _ in range(_MOST_TAGS):
        rows = np.flatnonzero(np.isin(frames.ether_type, _VLAN_TYPES))
        if not len(rows):
            break
        at = frames.at[rows]
        inside = view.rows(rows)
        first = (frames.vlan[rows] == 0) & (at + 2 <= inside.end)
        frames.vlan[rows[first]] = inside.u2(at)[first] & 0xFFF
        frames.ether_type[rows] = inside.u2(at + 2)
        frames.at[rows] = at + 4
    return frames


def _network(view: View, frames: Frames, wire_end: I64) -> tuple[dict[str, Array], Mask, I64]:
    """Columns, broken rows, and where layer 4 begins (-1: nowhere)."""
    n = len(frames.at)
    columns = empty_columns(n)
    columns["bytes"][:] = np.maximum(wire_end - frames.at, 0)
    broken = (frames.at > view.end) | (frames.ether_type == _NO_TYPE)
    payload = np.full(n, -1, np.int64)
    for ether_type, read in ((_TYPE_IPV4, _ipv4), (_TYPE_IPV6, _ipv6)):
        rows = np.flatnonzero((frames.ether_type == ether_type) & ~broken)
        if len(rows):
            view.limit(rows, read(view.rows(rows), frames.at[rows], rows, columns, broken, payload))
    rows = np.flatnonzero(payload >= 0)
    transport(view.rows(rows), payload[rows], rows, columns, broken)
    return columns, broken, payload


# What follows fills `rows` of columns, broken and payload from a view of those rows alone, and says where packets end.


def _ipv4(view: View, at: I64, rows: I64, columns: dict[str, Array], broken: Mask, payload: I64) -> I64:
    first, total = view.u1(at), view.u2(at + 2)
    good = (at + 20 <= view.end) & (first >> 4 == 4) & (first & 15 >= 5)
    broken[rows[~good]] = True
    header = (first & 15) << 2
    columns["ip_version"][rows[good]] = IPVersion.IPv4
    columns["protocol"][rows[good]] = view.u1(at + 9)[good]
    for side, offset in (("source", 12), ("destination", 16)):
        columns[f"{side}_low"][rows[good]] = view.u4(at + offset)[good].astype(np.uint64) | _V4_MAPPED
    # segmentation offload leaves the length 0 in what is captured before the device
    sized = good & (total > 0)
    columns["bytes"][rows[sized]] = total[sized]
    later_fragment = view.u2(at + 6) & 0x1FFF != 0
    payload[rows[good & ~later_fragment]] = (at + header)[good & ~later_fragment]
    return np.where(sized, at + total, view.end)


def _ipv6(view: View, at: I64, rows: I64, columns: dict[str, Array], broken: Mask, payload: I64) -> I64:
    good = (at + 40 <= view.end) & (view.u1(at) >> 4 == 6)
    broken[rows[~good]] = True
    length = view.u2(at + 4)
    columns["ip_version"][rows[good]] = IPVersion.IPv6
    for name, offset in (("source_high", 8), ("source_low", 16), ("destination_high", 24), ("destination_low", 32)):
        columns[name][rows[good]] = view.u8(at + offset)[good]
    sized = good & (length > 0)
    columns["bytes"][rows[sized]] = length[sized] + 40
    end = np.where(sized, np.minimum(at + 40 + length, view.end), view.end)
    view = View(view.data, view.start, end)
    protocol, begin, cut = _extensions(view, view.u1(at + 6), at + 40)
    columns["protocol"][rows[good & ~cut]] = protocol[good & ~cut]
    broken[rows[good & cut]] = True
    whole = good & ~cut & (begin >= 0)
    payload[rows[whole]] = begin[whole]
    return end


def _extensions(view: View, kind: I64, at: I64) -> tuple[I64, I64, Mask]:
    """The protocol behind extension headers, where it begins (-1 in later fragments), and whether they are cut."""
    cut, later = np.zeros(len(at), np.bool_), np.zeros(len(at), np.bool_)
    for _ in range(_MOST_EXTENSIONS):
        fragment, authenticated = kind == 44, kind == 51
        more = np.isin(kind, _EXTENSIONS) & ~cut & ~later
        if not more.any():
            break
        cut |= more & (at + 8 > view.end)
        more &= ~cut
        later |= more & fragment & (view.u2(at + 2) & 0xFFF8 != 0)
        units = view.u1(at + 1)
        size = np.select([fragment, authenticated], [8, (units + 2) << 2], (units + 1) << 3)
        kind = np.where(more, view.u1(at), kind)
        at = np.where(more, at + size, at)
    return kind, np.where(later, -1, at), cut | (np.isin(kind, _EXTENSIONS) & ~later)


def _vxlan(view: View, columns: dict[str, Array], payload: I64, broken: Mask) -> I64:
    """The rows that carry a frame in VXLAN: its port, its flag, and nothing in what is reserved."""
    rows = np.flatnonzero((columns["protocol"] == Protocol.UDP) & np.isin(columns["destination_port"], _VXLAN_PORTS))
    if not len(rows):
        return rows
    at, inside = payload[rows] + 8, view.rows(rows)
    broken[rows[at + 8 > inside.end]] = True
    good = (at + 8 <= inside.end) & (inside.u4(at) == 0x08000000) & (inside.u1(at + 7) == 0)
    found: I64 = rows[good]
    return found

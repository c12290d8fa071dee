"""Packets as bytes, layer by layer, for tests."""

import struct
from ipaddress import ip_address
from typing import Any

MAC_A, MAC_B = bytes.fromhex("02fc00000001"), bytes.fromhex("02fc00000002")


def ethernet(payload: bytes, kind: int = 0x0800, source: bytes = MAC_A, destination: bytes = MAC_B) -> bytes:
    return destination + source + struct.pack(">H", kind) + payload


def vlan(payload: bytes, number: int, kind: int = 0x0800) -> bytes:
    """What stands behind the type 0x8100."""
    return struct.pack(">HH", number, kind) + payload


def ipv4(
    source: str,
    destination: str,
    protocol: int,
    payload: bytes,
    *,
    options: bytes = b"",
    fragment: int = 0,
    more: bool = False,
    length: int | None = None,
) -> bytes:
    """`fragment` is the offset in bytes."""
    words = 5 + len(options) // 4
    total = 4 * words + len(payload) if length is None else length
    flags = (0x2000 if more else 0) | fragment // 8
    head = struct.pack(">BBHHHBBH", 0x40 | words, 0, total, 7, flags, 64, protocol, 0)
    return head + ip_address(source).packed + ip_address(destination).packed + options + payload


def ipv6(source: str, destination: str, kind: int, payload: bytes, *, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    head = struct.pack(">IHBB", 0x60000000, size, kind, 64)
    return head + ip_address(source).packed + ip_address(destination).packed + payload


def extension(following: int, payload: bytes, units: int = 0) -> bytes:
    """A hop-by-hop, routing or destination header of 8 + 8 * units bytes."""
    return bytes([following, units]) + bytes(6 + 8 * units) + payload


def fragment6(following: int, payload: bytes, offset: int = 0, *, more: bool = True) -> bytes:
    return struct.pack(">BBHI", following, 0, offset | more, 7) + payload


def authentication(following: int, payload: bytes) -> bytes:
    return bytes([following, 4]) + bytes(22) + payload


def tcp(source: int, destination: int, flags: int = 0x02, payload: bytes = b"") -> bytes:
    return struct.pack(">HHIIHHHH", source, destination, 1, 0, 0x5000 | flags, 1000, 0, 0) + payload


def udp(source: int, destination: int, payload: bytes = b"") -> bytes:
    return struct.pack(">HHHH", source, destination, 8 + len(payload), 0) + payload


def sctp(source: int, destination: int, chunk: int) -> bytes:
    return struct.pack(">HHII", source, destination, 1, 0) + bytes([chunk, 0, 0, 4])


def icmp(kind: int, code: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack(">BBHHH", kind, code, 0, 1, 1) + payload


def vxlan(frame: bytes, vni: int) -> bytes:
    return struct.pack(">II", 0x08000000, vni << 8) + frame


def cooked(payload: bytes, kind: int = 0x0800, mac: bytes = MAC_A) -> bytes:
    """LINUX_SLL."""
    return struct.pack(">HHH", 0, 1, len(mac)) + mac.ljust(8, b"\0") + struct.pack(">H", kind) + payload


def cooked2(payload: bytes, kind: int = 0x0800, ifindex: int = 3, mac: bytes = MAC_A) -> bytes:
    """LINUX_SLL2."""
    return struct.pack(">HHIHBB", kind, 0, ifindex, 1, 0, len(mac)) + mac.ljust(8, b"\0") + payload


def four(protocol: int, payload: bytes, padding: bytes = b"", **head: Any) -> bytes:
    """IPv4 in Ethernet."""
    return ethernet(ipv4("10.0.0.1", "10.0.0.2", protocol, payload, **head) + padding)


def six(kind: int, payload: bytes, frame: int = 0x86DD) -> bytes:
    """IPv6 in Ethernet."""
    return ethernet(ipv6("fd00::1", "fd00::2", kind, payload), frame)


SYN = tcp(4000, 80)
INNER = ethernet(ipv4("10.0.1.1", "10.0.1.2", 6, tcp(5000, 81, 0x12)), source=MAC_B, destination=MAC_A)

# name, link type, bytes, what the columns say
PACKETS: tuple[tuple[str, int, bytes, dict[str, Any]], ...] = (
    (
        "TCP",
        1,
        four(6, SYN),
        {
            "source": "10.0.0.1",
            "destination": "10.0.0.2",
            "protocol": 6,
            "source_port": 4000,
            "destination_port": 80,
            "tcp_flags": 2,
            "bytes": 40,
            "ip_version": 1,
        },
    ),
    ("all TCP flags", 1, four(6, tcp(1, 2, 0x1FF)), {"tcp_flags": 511}),
    (
        "padded to the least Ethernet frame",
        1,
        four(17, udp(1, 2), padding=bytes(18)),
        {"protocol": 17, "bytes": 28, "source_port": 1},
    ),
    (
        "a port in the padding is none",
        1,
        four(17, b"", padding=b"\1" * 26),
        {"protocol": 17, "bytes": 20, "source_port": 0, "broken": True},
    ),
    (
        "options",
        1,
        four(17, udp(53, 1024, b"x"), options=bytes(40)),
        {"source_port": 53, "destination_port": 1024, "bytes": 69},
    ),
    ("a first fragment", 1, four(17, udp(53, 1024), more=True), {"source_port": 53}),
    (
        "a later fragment has no ports",
        1,
        four(17, udp(53, 1024), fragment=1480),
        {"source_port": 0, "protocol": 17, "broken": False},
    ),
    ("offloaded: no length in the header", 1, four(6, SYN + bytes(100), length=0), {"bytes": 140, "source_port": 4000}),
    (
        "VLAN",
        1,
        ethernet(vlan(ipv4("10.0.0.1", "10.0.0.2", 6, SYN), 0x6064), 0x8100),
        {"vlan": 100, "source_port": 4000},
    ),
    (
        "VLAN in VLAN: the outer names it",
        1,
        ethernet(vlan(vlan(ipv6("fd00::1", "fd00::2", 6, SYN), 200, 0x86DD), 100, 0x8100), 0x88A8),
        {"vlan": 100, "source": "fd00::1"},
    ),
    (
        "IPv6",
        1,
        six(6, SYN),
        {"source": "fd00::1", "destination": "fd00::2", "bytes": 60, "ip_version": 2, "tcp_flags": 2},
    ),
    (
        "extension headers",
        1,
        six(0, extension(60, extension(43, extension(17, udp(7, 8), 2)))),
        {"protocol": 17, "source_port": 7, "bytes": 88},
    ),
    ("an authentication header", 1, six(51, authentication(6, SYN)), {"protocol": 6, "source_port": 4000}),
    ("a first IPv6 fragment", 1, six(44, fragment6(17, udp(7, 8))), {"protocol": 17, "source_port": 7}),
    (
        "a later IPv6 fragment",
        1,
        six(44, fragment6(17, udp(7, 8), 1448)),
        {"protocol": 17, "source_port": 0, "broken": False},
    ),
    (
        "more extension headers than anyone sends",
        1,
        six(60, (bytes([60]) + bytes(7)) * 30),
        {"protocol": 0, "broken": True},
    ),
    ("SCTP INIT", 1, four(132, sctp(2905, 2906, 1)), {"protocol": 132, "source_port": 2905, "sctp_chunk_type": 1}),
    ("SCTP SHUTDOWN COMPLETE", 1, four(132, sctp(1, 2, 14)), {"sctp_chunk_type": 5}),
    ("SCTP DATA has no name at Hubble", 1, four(132, sctp(1, 2, 0)), {"sctp_chunk_type": 0}),
    ("ICMP", 1, four(1, icmp(3, 4)), {"protocol": 1, "icmp_type": 3, "icmp_code": 4}),
    ("ICMPv6", 1, six(58, icmp(128)), {"protocol": 58, "icmp_type": 128}),
    (
        "IGMP",
        1,
        ethernet(ipv4("10.0.0.1", "224.0.0.22", 2, bytes(8), options=b"\x94\x04\0\0")),
        {"protocol": 2, "source_port": 0},
    ),
    ("VRRP", 1, ethernet(ipv4("10.0.0.1", "224.0.0.18", 112, bytes(20))), {"protocol": 112}),
    ("ESP", 1, four(50, bytes(20)), {"protocol": 50, "broken": False}),
    ("ARP", 1, ethernet(bytes(28), 0x0806), {"ip_version": 0, "protocol": 0, "bytes": 28, "broken": False}),
    ("802.3", 1, ethernet(bytes(38), 38), {"ip_version": 0, "broken": False}),
    ("IPv4 that says it is IPv6", 1, six(6, SYN, frame=0x0800), {"ip_version": 0, "broken": True}),
    (
        "a header of less than 20 bytes",
        1,
        ethernet(b"\x44" + ipv4("10.0.0.1", "10.0.0.2", 6, SYN)[1:]),
        {"ip_version": 0, "broken": True},
    ),
    (
        "VXLAN",
        1,
        ethernet(ipv4("172.16.0.1", "172.16.0.2", 17, udp(60000, 4789, vxlan(INNER, 42)))),
        {
            "source": "10.0.1.1",
            "source_port": 5000,
            "tcp_flags": 18,
            "bytes": 40,
            "outer_source": "172.16.0.1",
            "outer_port": 4789,
            "vni": 42,
            "source_mac": "02fc00000002",
        },
    ),
    (
        "VXLAN as Linux has it, in IPv6",
        1,
        six(17, udp(60000, 8472, vxlan(INNER, 1 << 23))),
        {"source": "10.0.1.1", "outer_source": "fd00::1", "vni": 1 << 23},
    ),
    (
        "VXLAN of ARP shows the outside",
        1,
        ethernet(ipv4("172.16.0.1", "172.16.0.2", 17, udp(1, 4789, vxlan(ethernet(bytes(28), 0x0806), 1)))),
        {"source": "172.16.0.1", "destination_port": 4789, "broken": False},
    ),
    (
        "DNS to VXLAN's port is no VXLAN",
        1,
        four(17, udp(53, 4789, b"\x12\x34\x81\x80" + bytes(60))),
        {"source": "10.0.0.1"},
    ),
    ("cooked", 113, cooked(ipv4("10.0.0.1", "10.0.0.2", 6, SYN)), {"source_port": 4000, "source_mac": "02fc00000001"}),
    ("cooked, of loopback", 113, cooked(ipv6("::1", "::1", 6, SYN), 0x86DD, b""), {"source": "::1", "source_mac": ""}),
    ("cooked 2", 276, cooked2(ipv6("fd00::1", "fd00::2", 6, SYN), 0x86DD), {"source": "fd00::1", "ifindex": 3}),
    (
        "cooked 2 with VLAN",
        276,
        cooked2(vlan(ipv4("10.0.0.1", "10.0.0.2", 6, SYN), 5), 0x8100),
        {"vlan": 5, "source": "10.0.0.1"},
    ),
    ("raw", 101, ipv4("10.0.0.1", "10.0.0.2", 6, SYN), {"source_port": 4000, "bytes": 40}),
    ("raw IPv6", 12, ipv6("fd00::1", "fd00::2", 6, SYN), {"source": "fd00::1"}),
    ("IPV4", 228, ipv4("10.0.0.1", "10.0.0.2", 6, SYN), {"source_port": 4000}),
    ("IPV6", 229, ipv6("fd00::1", "fd00::2", 6, SYN), {"source_port": 4000}),
    ("BSD loopback", 0, b"\2\0\0\0" + ipv4("127.0.0.1", "127.0.0.1", 6, SYN), {"source": "127.0.0.1"}),
    ("OpenBSD loopback", 108, b"\0\0\0\x18" + ipv6("::1", "::1", 6, SYN), {"source": "::1"}),
    ("PPP", 9, b"\xff\x03\0\x21" + ipv4("10.0.0.1", "10.0.0.2", 6, SYN), {"source_port": 4000}),
    ("PPP, compressed", 9, b"\0\x57" + ipv6("fd00::1", "fd00::2", 6, SYN), {"source": "fd00::1"}),
)

"""Packets, byte by byte."""

import struct
from ipaddress import ip_address

ETHERNET = bytes.fromhex("02fc00000002 02fc00000001")
_TYPES = {4: 0x0800, 6: 0x86DD}


def ethernet(packet: bytes, *tags: tuple[int, int]) -> bytes:
    """A frame; each tag is (ethertype, VLAN identifier), the outermost first."""
    head = ETHERNET + b"".join(struct.pack("!HH", *tag) for tag in tags)
    return head + struct.pack("!H", _TYPES[packet[0] >> 4]) + packet


def ipv4(source: str, destination: str, protocol: int, body: bytes, options: bytes = b"", fragment: int = 0) -> bytes:
    """`fragment`: flags and offset as in the header."""
    length = 20 + len(options)
    head = struct.pack("!BBHHHBBH", 0x40 | length // 4, 0, length + len(body), 77, fragment, 64, protocol, 0)
    return head + ip_address(source).packed + ip_address(destination).packed + options + body


def ipv6(source: str, destination: str, following: int, body: bytes) -> bytes:
    """`following`: the next header's number."""
    head = struct.pack("!IHBB", 6 << 28, len(body), following, 64)
    return head + ip_address(source).packed + ip_address(destination).packed + body


def extension(following: int, words: int = 0) -> bytes:
    """An IPv6 extension header of (words + 1) * 8 bytes; as a fragment header: the first of them all."""
    return bytes([following, words]) + bytes(6 + 8 * words)


def fragment6(following: int, offset: int, more: bool) -> bytes:
    """An IPv6 fragment header; `offset` in bytes."""
    return struct.pack("!BBHI", following, 0, offset | more, 4711)


def tcp(source_port: int, destination_port: int, flags: int, body: bytes = b"") -> bytes:
    return struct.pack("!HHIIHHHH", source_port, destination_port, 1, 1, 5 << 12 | flags, 512, 0, 0) + body


def udp(source_port: int, destination_port: int, body: bytes = b"") -> bytes:
    return struct.pack("!HHHH", source_port, destination_port, 8 + len(body), 0) + body


def icmp(kind: int, code: int, identifier: int = 1) -> bytes:
    return struct.pack("!BBHHH", kind, code, 0, identifier, 1) + bytes(48)


def sctp(source_port: int, destination_port: int, chunk: int) -> bytes:
    return struct.pack("!HHIIBBH", source_port, destination_port, 1, 0, chunk, 0, 4)


def vxlan(vni: int, frame: bytes) -> bytes:
    """A UDP datagram to port 4789 around a frame."""
    return udp(50_000, 4789, struct.pack("!II", 0x08 << 24, vni << 8) + frame)

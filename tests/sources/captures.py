"""Capture files as bytes, for tests."""

import struct
from collections.abc import Sequence

T0 = 1_700_000_000_123_456_789


def pcap(
    packets: Sequence[bytes], link_type: int = 1, order: str = "<", *, nanoseconds: bool = False, snap: int = 1 << 18
) -> bytes:
    """One packet a millisecond from T0 on, cut to `snap` bytes."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    parts = [struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, snap, link_type)]
    for number, packet in enumerate(packets):
        seconds, rest = divmod(T0 + number * 1_000_000, 1_000_000_000)
        fraction = rest if nanoseconds else rest // 1_000
        parts.append(struct.pack(order + "IIII", seconds, fraction, len(packet[:snap]), len(packet)) + packet[:snap])
    return b"".join(parts)


class Blocks:
    """Writes pcapng blocks in one order of bytes."""

    def __init__(self, order: str = "<") -> None:
        self.order = order

    def pack(self, form: str, *values: int) -> bytes:
        return struct.pack(self.order + form, *values)

    def block(self, kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = self.pack("I", len(body) + 12)
        return self.pack("I", kind) + size + body + size

    def options(self, *options: tuple[int, bytes]) -> bytes:
        made = b"".join(self.pack("HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in options)
        return made + self.pack("HH", 0, 0)

    def section(self) -> bytes:
        return self.block(0x0A0D0D0A, self.pack("IHHq", 0x1A2B3C4D, 1, 0, -1))

    def interface(
        self, link_type: int = 1, name: str = "eth0", resolution: int | None = None, snap: int = 0, offset: int = 0
    ) -> bytes:
        options = [(2, name.encode())]
        options += [] if resolution is None else [(9, bytes([resolution]))]
        options += [(14, self.pack("q", offset))] if offset else []
        return self.block(1, self.pack("HHI", link_type, 0, snap) + self.options(*options))

    def packet(self, packet: bytes, ticks: int, interface: int = 0, length: int | None = None) -> bytes:
        wire = len(packet) if length is None else length
        head = self.pack("IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(packet), wire)
        return self.block(6, head + packet + bytes(-len(packet) % 4) + self.options((1, b"a comment")))

    def simple(self, packet: bytes, length: int | None = None) -> bytes:
        return self.block(3, self.pack("I", len(packet) if length is None else length) + packet)

    def old(self, packet: bytes, ticks: int, interface: int = 0) -> bytes:
        head = self.pack("HHIIII", interface, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(packet), len(packet))
        return self.block(2, head + packet)

    def statistics(self, ticks: int, interface_drops: int, system_drops: int) -> bytes:
        head = self.pack("III", 0, ticks >> 32, ticks & 0xFFFFFFFF)
        return self.block(
            5, head + self.options((5, self.pack("Q", interface_drops)), (7, self.pack("Q", system_drops)))
        )


def pcapng(packets: Sequence[bytes], link_type: int = 1, order: str = "<") -> bytes:
    """One packet a millisecond from T0 on, by one interface that counts microseconds."""
    to = Blocks(order)
    blocks = [to.section(), to.interface(link_type)]
    blocks += [to.packet(packet, T0 // 1_000 + number * 1_000) for number, packet in enumerate(packets)]
    return b"".join(blocks)

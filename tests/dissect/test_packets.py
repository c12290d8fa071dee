"""Headers become columns, and what is cut becomes "not known"."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.dissect.packets import LINK_TYPES, Packets, parse
from rubin.model import addresses
from tests.dissect.frames import PACKETS

ROWS = pytest.mark.parametrize(
    ("link_type", "packet", "said"), [row[1:] for row in PACKETS], ids=[row[0] for row in PACKETS]
)


def parsed(packets: list[bytes], link_type: int, wire: list[int] | None = None) -> Packets:
    sizes = np.array([len(packet) for packet in packets], np.int64)
    starts = np.cumsum(sizes) - sizes
    data = np.frombuffer(b"".join(packets) + b"\xff" * 8, np.uint8)
    return parse(data, starts, sizes, sizes if wire is None else np.array(wire), link_type)


def row(packets: Packets, at: int) -> dict[str, Any]:
    """One packet as plain values."""
    said: dict[str, Any] = {name: int(column[at]) for name, column in packets.columns.items()}
    for side in ("source", "destination"):
        text = addresses.text(said.pop(f"{side}_high"), said.pop(f"{side}_low"))
        said[side] = text if said["ip_version"] else ""
    frames = packets.frames
    said["source_mac"] = f"{int(frames.source_mac[at]):012x}" if frames.source_mac[at] else ""
    said["vlan"], said["ifindex"] = int(frames.vlan[at]), int(frames.ifindex[at])
    said["broken"] = bool(packets.broken[at])
    inside = packets.tunnelled.tolist()
    if at in inside:
        outer = {name: column[inside.index(at)] for name, column in packets.outer.items()}
        said["outer_source"] = addresses.text(outer["source_high"], outer["source_low"])
        said["outer_port"] = int(outer["destination_port"])
        said["vni"] = int(packets.vni[inside.index(at)])
    return said


@ROWS
def test_what_headers_say(link_type: int, packet: bytes, said: dict[str, Any]):
    found = row(parsed([packet], link_type), 0)
    assert {name: found.get(name) for name in said} == said
    assert found["broken"] == said.get("broken", False)


@ROWS
def test_a_packet_cut_at_every_byte_is_not_known_from_there_on(link_type: int, packet: bytes, said: dict[str, Any]):
    whole = row(parsed([packet], link_type), 0)
    cuts = [packet[:size] for size in range(len(packet))]
    packets = parsed(cuts, link_type, [len(packet)] * len(cuts))
    for at in range(len(cuts)):
        found = row(packets, at)
        if "vni" in whole and "vni" not in found:  # the inside of a tunnel is not reached: the outside is what is known
            assert found["broken"] or at < 16
            continue
        for name in (
            "protocol",
            "source_port",
            "destination_port",
            "tcp_flags",
            "icmp_type",
            "icmp_code",
            "sctp_chunk_type",
        ):
            assert found[name] in (0, whole[name])
        for name in ("source", "destination", "source_mac"):
            assert found[name] in ("", whole[name])
        if not found["broken"]:
            assert found == whole | {"bytes": found["bytes"]}


def test_packets_are_read_alike_alone_and_among_others():
    for link_type in sorted({row[1] for row in PACKETS}):
        own = [row[2] for row in PACKETS if row[1] == link_type]
        together = parsed(own * 3, link_type)
        for at, packet in enumerate(own * 3):
            assert row(together, at) == row(parsed([packet], link_type), 0)


def test_no_packets_are_no_rows():
    packets = parsed([], 1)
    assert len(packets.broken) == 0
    assert {len(column) for column in packets.columns.values()} == {0}


@given(st.sampled_from(sorted(LINK_TYPES)), st.lists(st.binary(max_size=120), max_size=8))
def test_any_bytes_are_packets(link_type: int, packets: list[bytes]):
    found = parsed(packets, link_type)
    assert len(found.broken) == len(packets)
    for at in range(len(packets)):
        row(found, at)


@given(st.sampled_from(PACKETS), st.data())
def test_any_damage_is_borne(packet: tuple[str, int, bytes, dict[str, Any]], data: st.DataObject):
    _, link_type, good, _ = packet
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    size = data.draw(st.integers(0, len(bad)))
    neighbour = row(parsed([good], link_type), 0)
    found = parsed([bytes(bad[:size]), good], link_type)
    assert row(found, 1) == neighbour

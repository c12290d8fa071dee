"""What only interfaces see: tags, tunnels, fragments, devices without Ethernet."""

from collections.abc import Iterator

import pytest

from tests.kernel import packets as p
from tests.kernel.programs import NEXT, Programs, address, programs

A, B = "10.1.0.1", "10.1.0.2"
UDP = p.ipv4(A, B, 17, p.udp(5000, 53, bytes(30)))
SYN = 2


@pytest.fixture
def loaded() -> Iterator[Programs]:
    with programs("interfaces") as those:
        yield those


@pytest.mark.parametrize(
    ("tags", "vlan"),
    [((), 0), (((0x8100, 7),), 7), (((0x88A8, 100), (0x8100, 7)), 7), (((0x8100, 100), (0x8100, 7)), 7)],
    ids=["none", "802.1Q", "QinQ", "two of 802.1Q"],
)
def test_tags(loaded: Programs, tags: tuple[tuple[int, int], ...], vlan: int) -> None:
    assert loaded.run("rubin_egress", p.ethernet(UDP, *tags)) == NEXT
    (record,) = loaded.records()
    assert (record["vlan"], record["bytes"], record["source_port"]) == (vlan, 58, 5000)
    assert bytes(record["source_mac"]) == p.ETHERNET[6:]
    assert bytes(record["destination_mac"]) == p.ETHERNET[:6]


def test_the_same_addresses_in_two_vlans_are_two_connections(loaded: Programs) -> None:
    for vlan in (1, 2, 1, 2):
        loaded.run("rubin_egress", p.ethernet(UDP, (0x8100, vlan)))
    assert loaded.records()["vlan"].tolist() == [1, 2]


def test_padding_is_not_counted(loaded: Programs) -> None:
    for vlan in ((), ((0x8100, 7),)):
        loaded.run("rubin_egress", p.ethernet(p.ipv4(A, B, 17, p.udp(5000, 53, b"x")), *vlan) + bytes(17))
    assert loaded.records()["bytes"].tolist() == [29, 29]


def test_vxlan_shows_the_inner_packet_and_the_outer_addresses(loaded: Programs) -> None:
    inner = p.ethernet(p.ipv6("fd01::1", "fd01::2", 6, p.tcp(4000, 80, SYN)))
    loaded.run("rubin_egress", p.ethernet(p.ipv4("192.0.2.1", "192.0.2.2", 17, p.vxlan(4711, inner))))
    (record,) = loaded.records()
    assert (address(record["source"]), record["destination_port"], record["protocol"]) == ("fd01::1", 80, 6)
    assert (address(record["outer_source"]), address(record["outer_destination"])) == ("192.0.2.1", "192.0.2.2")
    assert (record["outer_source_port"], record["outer_destination_port"]) == (50_000, 4789)
    assert (record["vni"], record["bytes"]) == (4711, 60)


def test_what_only_looks_like_vxlan_is_udp(loaded: Programs) -> None:
    loaded.run("rubin_egress", p.ethernet(p.ipv4(A, B, 17, p.udp(1, 4789, bytes(60)))))
    (record,) = loaded.records()
    assert (record["protocol"], record["destination_port"], record["vni"]) == (17, 4789, 0)


def test_the_same_inner_addresses_in_two_tunnels_are_two_connections(loaded: Programs) -> None:
    for vni in (1, 2, 1, 2):
        loaded.run("rubin_egress", p.ethernet(p.ipv4(A, B, 17, p.vxlan(vni, p.ethernet(UDP)))))
    assert loaded.records()["vni"].tolist() == [1, 2]


def test_later_fragments_have_the_ports_of_the_first(loaded: Programs) -> None:
    first = p.ethernet(p.ipv4(A, B, 17, p.udp(5000, 53, bytes(24)), fragment=0x2000))
    later = p.ethernet(p.ipv4(A, B, 17, bytes(32), fragment=4))
    loaded.run("rubin_egress", first)
    loaded.run("rubin_egress", later)
    loaded.sweep("sweep_interfaces")
    records = loaded.records()
    assert records["source_port"].tolist() == [5000, 5000]
    assert records["bytes"].sum() == 52 + 52


def test_fragments_of_ipv6(loaded: Programs) -> None:
    first = p.ipv6("fd01::1", "fd01::2", 44, p.fragment6(17, 0, True) + p.udp(5000, 53, bytes(8)))
    later = p.ipv6("fd01::1", "fd01::2", 44, p.fragment6(17, 16, False) + bytes(8))
    loaded.run("rubin_egress", p.ethernet(first))
    loaded.run("rubin_egress", p.ethernet(later))
    loaded.sweep("sweep_interfaces")
    assert loaded.records()["destination_port"].tolist() == [53, 53]


@pytest.mark.parametrize(
    ("kind", "points", "directions"),
    [
        (0, (10, 11), (1, 2)),
        (1, (5, 101), (2, 1)),
        (2, (7, 2), (1, 2)),
        (3, (9, 4), (1, 2)),
    ],
    ids=["network", "endpoint", "host", "overlay"],
)
def test_points_by_kind(kind: int, points: tuple[int, int], directions: tuple[int, int]) -> None:
    with programs("interfaces", level=0) as loaded:
        loaded.objects.map("interfaces").update((1).to_bytes(4, "little"), kind.to_bytes(4, "little"))
        for name in ("rubin_ingress", "rubin_egress"):
            loaded.run(name, p.ethernet(UDP))
        records = loaded.records()
        assert tuple(records["point"]) == points
        assert tuple(records["direction"]) == directions


def test_what_is_swept_when_its_interface_has_gone_is_told_as_before() -> None:
    with programs("interfaces") as loaded:
        points = loaded.objects.map("interfaces")
        points.update((1).to_bytes(4, "little"), (1).to_bytes(4, "little"))
        for _ in range(2):
            loaded.run("rubin_egress", p.ethernet(UDP))
        points.delete((1).to_bytes(4, "little"))
        loaded.sweep("sweep_interfaces")
        assert loaded.records()["point"].tolist() == [101, 101]


@pytest.mark.parametrize(
    "frame",
    [
        p.ethernet(UDP, (0x88A8, 100), (0x8100, 7)),
        p.ethernet(p.ipv6("fd01::1", "fd01::2", 17, p.udp(5000, 53)), (0x8100, 7)),
        p.ethernet(p.ipv4("192.0.2.1", "192.0.2.2", 17, p.vxlan(4711, p.ethernet(UDP)))),
        p.ethernet(p.ipv4("192.0.2.1", "192.0.2.2", 17, p.vxlan(4711, p.ethernet(UDP, (0x8100, 7))))),
    ],
    ids=["QinQ", "IPv6 in 802.1Q", "VXLAN", "802.1Q in VXLAN"],
)
def test_frames_cut_at_every_byte_go_on_and_are_counted(frame: bytes) -> None:
    with programs("interfaces", level=0) as loaded:
        tagged = frame[12:14] in (b"\x88\xa8", b"\x81\x00")
        ran = 0
        for length in range(15 if tagged else 34, len(frame)):
            assert loaded.run("rubin_egress", frame[:length]) == NEXT
            ran += 1
        lost = loaded.losses()
        told = len(loaded.records()) + int(lost[:, 0].sum())
        # Less than the Ethernet header and its tags is no packet at all.
        assert ran - told == (len([n for n in range(15, len(frame)) if _ends_in_tags(frame, n)]) if tagged else 0)
        assert lost[:, 0].sum() == lost[:, 1].sum()


def _ends_in_tags(frame: bytes, length: int) -> bool:
    tags = 2 if frame[16:18] == b"\x81\x00" else 1
    return length < 14 + 4 * tags

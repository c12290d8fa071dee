"""Capture files become flows, whoever wrote them, and what is good of a damaged one is not lost."""

import gzip
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.errors import RubinError
from rubin.model.batch import FlowBatch, concat
from rubin.model.enums import EventType, TracePoint, Verdict
from rubin.model.tables import Tunnel
from rubin.sources.pcap import Pcap
from tests.dissect.frames import INNER, PACKETS, four, ipv4, tcp, udp, vxlan
from tests.sources.captures import T0, Blocks, pcap, pcapng

THREE = [four(6, tcp(4000, 80)), four(6, tcp(4000, 80, 0x10)), four(17, udp(53, 1024))]
MICROSECOND = T0 // 1_000 * 1_000


@contextmanager
def piped(data: bytes) -> Iterator[str]:
    """The path of a pipe that holds these bytes, and then ends; they have to fit in."""
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    try:
        yield f"/proc/self/fd/{reader}"
    finally:
        os.close(reader)


def read(data: bytes) -> tuple[FlowBatch, str, Pcap]:
    """All flows of the bytes of a file, and the error that ended them."""
    with piped(data) as path:
        return read_file(path)


def read_file(path: str | Path) -> tuple[FlowBatch, str, Pcap]:
    batches, error = [], ""
    with Pcap(str(path)) as source:
        try:
            for batch in source:
                batches.append(batch)  # noqa: PERF402  what came before an error counts
        except RubinError as caught:
            error = caught.sentence
    return concat(batches), error, source


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_pcap_of_either_order_and_resolution(order: str, nanoseconds: bool):
    batch, error, _ = read(pcap(THREE, order=order, nanoseconds=nanoseconds))
    first = T0 if nanoseconds else MICROSECOND
    assert not error
    assert batch["time_ns"].tolist() == [first, first + 1_000_000, first + 2_000_000]
    assert batch["source_port"].tolist() == [4000, 4000, 53]


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_of_either_order(order: str):
    batch, error, _ = read(pcapng(THREE, order=order))
    assert not error
    assert batch["time_ns"].tolist() == [MICROSECOND, MICROSECOND + 1_000_000, MICROSECOND + 2_000_000]
    assert batch["source_port"].tolist() == [4000, 4000, 53]
    assert {link.name for link in batch.rows("link")} == {"eth0"}


def test_what_a_row_of_a_capture_says():
    batch, _, source = read(pcap(THREE))
    assert set(batch["verdict"].tolist()) == {Verdict.FORWARDED}
    assert set(batch["event_type"].tolist()) == {EventType.TRACE}
    assert set(batch["trace_point"].tolist()) == set(batch["event_sub_type"].tolist()) == {TracePoint.FROM_NETWORK}
    assert batch["packets"].tolist() == [1, 1, 1]
    assert batch["bytes"].tolist() == [40, 40, 28]
    assert batch["is_reply"].tolist() == [0, 0, 0]
    assert [link.source_mac for link in batch.rows("link")] == ["02:fc:00:00:00:01"] * 3
    assert len(set(batch["uuid_low"].tolist())) == 3
    assert (source.packets, source.broken, source.skipped) == (3, 0, 0)


def test_a_tunnel_is_in_the_contents():
    outside = four(17, udp(60000, 4789, vxlan(INNER, 42)))
    batch, _, _ = read(pcap([outside, THREE[0], outside]))
    assert batch["source_port"].tolist() == [5000, 4000, 5000]
    tunnels = [contents.tunnel for contents in batch.rows("contents")]
    assert tunnels == [Tunnel(1, "10.0.0.1", "10.0.0.2", 60000, 4789, 42), None, tunnels[0]]


@pytest.mark.parametrize(
    ("resolution", "ticks", "offset", "time_ns"),
    [
        (None, T0 // 1_000, 0, MICROSECOND),
        (9, T0, 0, T0),
        (0, 1_700_000_000, 0, 1_700_000_000_000_000_000),
        (3, 5, 1_700_000_000, 1_700_000_000_005_000_000),
        (12, 1_000_000 * T0 % 2**63, 0, 1_000_000 * T0 % 2**63 // 1_000),
        (0x80 | 20, (1_700_000_000 << 20) | (1 << 19), 0, 1_700_000_000_500_000_000),
        (0x80 | 60, (3 << 60) | (1 << 59), 0, 3_500_000_000),
        (100, 5, 0, 0),
    ],
)
def test_how_an_interface_counts_time(resolution: int | None, ticks: int, offset: int, time_ns: int):
    to = Blocks()
    interface = to.interface(resolution=resolution, offset=offset)
    batch, error, _ = read(to.section() + interface + to.packet(THREE[0], ticks))
    assert not error
    assert batch["time_ns"].tolist() == [time_ns]


def test_sections_interfaces_and_all_kinds_of_packet_blocks():
    little, big = Blocks("<"), Blocks(">")
    raw = ipv4("10.0.0.3", "10.0.0.4", 17, udp(7, 8))
    data = b"".join(
        [
            little.section(),
            little.interface(1, "eth0", snap=60),
            little.block(4, b"name resolution that nobody reads"),
            little.packet(THREE[0], 1_000, length=1500),
            little.interface(101, "tun0", 9),
            little.packet(raw, 5, 1),
            little.simple(THREE[2][:60], 1000),
            little.old(THREE[1], 2_000),
            little.block(0x0BAD, b"custom"),
            big.section(),
            big.interface(113, "any", 9),
            big.packet(b"\0\0\0\1\0\6\2\xfc\0\0\0\3\0\0\x08\0" + raw, 7),
        ]
    )
    batch, error, _ = read(data)
    assert not error
    assert batch["time_ns"].tolist() == [1_000_000, 5, 0, 2_000_000, 7]
    assert batch["source_port"].tolist() == [4000, 7, 53, 4000, 7]
    assert batch["tcp_flags"].tolist() == [2, 0, 0, 16, 0]
    assert [link.name for link in batch.rows("link")] == ["eth0", "tun0", "eth0", "eth0", "any"]
    assert batch.rows("link")[4].source_mac == "02:fc:00:00:00:03"


def test_what_a_capture_lost_itself_is_said():
    to = Blocks()
    data = to.section() + to.interface() + to.packet(THREE[0], 1) + to.statistics(2_000_000, 3, 4)
    batch, _, _ = read(data)
    assert [(lost.events, lost.time_ns, lost.place) for lost in batch.lost] == [(7, 2_000_000_000, "capture")]


def test_packets_cut_by_the_capture_are_counted():
    batch, error, source = read(pcap(THREE, snap=30))
    assert not error
    assert batch["ip_version"].tolist() == [0, 0, 0]
    assert source.broken == 3


@pytest.mark.parametrize("made", [pcap, pcapng])
def test_a_file_cut_at_any_byte_gives_what_is_before(made: Callable[[list[bytes]], bytes]):
    data = made(THREE)
    whole, _, _ = read(data)
    ends = [len(made(THREE[:n])) for n in range(len(THREE) + 1)]
    for size in range(1, len(data)):
        batch, error, _ = read(data[:size])
        good = sum(size >= end for end in ends[1:])
        assert batch["source_port"].tolist() == whole["source_port"].tolist()[:good]
        assert bool(error) != (size in ends[1:]), (size, error)
        assert error.endswith("holds no packets") == (
            size == ends[0] or (made is pcapng and size == len(Blocks().section()))
        )


@pytest.mark.parametrize(
    ("data", "sentence", "way_on"),
    [
        (b"", "is empty", "see whether the capture ran"),
        (b"#!/bin/sh\necho this is no capture", "is no capture", "pcap and pcapng are read"),
        (gzip.compress(pcap(THREE)), "is no capture", "unpack it: gunzip -c FILE | rubin replay -"),
        (pcap(THREE)[:10], "ends in the middle of its head", "the 0 packets"),
        (pcap(THREE)[:3], "ends in the middle of its head", "the 0 packets"),
        (pcapng(THREE)[:1], "ends in the middle of its head", "the 0 packets"),
        (pcapng(THREE)[:3], "ends in the middle of its head", "the 0 packets"),
        (pcap([]), "holds no packets", "filter"),
        (pcapng([]), "holds no packets", "filter"),
        (pcap(THREE, 105), "have link type 105, which is not known", "known are 0, 1, 9"),
        (pcap(THREE) + struct.pack("<IIII", 1, 0, 1 << 30, 60) + bytes(60), "is damaged: at byte", "the 3 packets"),
        (pcap(THREE) + b"abc", "ends in the middle of what begins at byte", "the 3 packets before that were read"),
        (pcapng(THREE) + Blocks().pack("II", 6, 7) + bytes(60), "says of a block that it has 7 bytes", "the 3 packets"),
        (Blocks().section()[:8] + b"\0" * 20, "has a section without its mark", "the 0 packets"),
    ],
)
def test_what_cannot_be_read_is_said(data: bytes, sentence: str, way_on: str):
    with piped(data) as path, pytest.raises(RubinError) as caught:
        list(Pcap(path))
    assert sentence in caught.value.sentence
    assert way_on in caught.value.way_on


def test_link_types_that_are_not_known_cost_only_their_own_packets():
    to = Blocks()
    data = (
        to.section() + to.interface(1) + to.interface(195, "wpan0") + to.packet(b"radio", 1, 1) + to.packet(THREE[0], 2)
    )
    batch, error, source = read(data + to.packet(THREE[1], 3, interface=9))
    assert batch["source_port"].tolist() == [4000]
    assert "2 packets of" in error
    assert "link types that are not known: -1, 195" in error
    assert (source.packets, source.skipped) == (1, 2)


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(RubinError, match="cannot be read: No such file or directory"):
        Pcap(str(tmp_path / "nothing"))
    with pytest.raises(RubinError, match="cannot be read: Is a directory"):
        list(Pcap(str(tmp_path)))


def test_a_large_file_is_read_in_batches(tmp_path: Path):
    path = tmp_path / "large.pcap"
    path.write_bytes(pcap([four(6, tcp(4000 + n % 1000, 80, 2)) for n in range(60_000)]))
    batches = list(Pcap(str(path)))
    assert len(batches) > 1
    batch = concat(batches)
    assert batch["source_port"].tolist() == [4000 + n % 1000 for n in range(60_000)]
    assert (np.diff(batch["uuid_low"]) == 1).all()
    assert batch["is_reply"].tolist() == [0] * 60_000


def test_packets_of_a_pipe_are_seen_as_they_come():
    code = "import sys\nfrom rubin.sources.pcap import Pcap\nfor batch in Pcap('-'): print(len(batch), flush=True)"
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    data = pcap(THREE)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(data[:-10])
        process.stdin.flush()
        assert process.stdout.readline() == b"2\n"
        process.stdin.write(data[-10:])
        process.stdin.flush()
        assert process.stdout.readline() == b"1\n"
        process.stdin.close()
        assert process.wait(30) == 0


@given(
    st.binary(max_size=400), st.sampled_from([b"", pcap(THREE)[:24], pcap(THREE), pcapng(THREE), Blocks(">").section()])
)
def test_any_bytes_are_read_or_refused(tail: bytes, head: bytes):
    with suppress(RubinError):
        read(head + tail)


@given(st.sampled_from([pcap, pcapng]), st.data())
def test_any_damage_is_borne(made: Callable[[list[bytes]], bytes], data: st.DataObject):
    bad = bytearray(made([packet for _, link_type, packet, _ in PACKETS if link_type == 1]))
    for _ in range(data.draw(st.integers(1, 5))):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    with suppress(RubinError):
        batch, _, source = read(bytes(bad))
        assert len(batch) == source.packets

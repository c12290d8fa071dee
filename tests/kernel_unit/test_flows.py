"""Records become flows as Hubble decodes its own; a table's row is made once."""

from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.kernel.drop_reasons import DropReasons
from rubin.kernel.flows import Flows, Names, own_netns_cookie
from rubin.kernel.records import RECORD, Kind
from rubin.model import addresses
from rubin.model.columns import COLUMNS
from rubin.model.enums import Direction, DropReason, EventType, TCPEvent, TracePoint, TraceReason, Verdict
from rubin.model.tables import Contents, Link, Process, Tables, Translation, Tunnel
from tests.kernel_unit.records import records

DROPS = DropReasons(
    {2: "SKB_DROP_REASON_NOT_SPECIFIED", 12: "SKB_DROP_REASON_NETFILTER_DROP"},
    {2: "SKB_DROP_REASON_SUBSYS_OPENVSWITCH"},
)


def decoder() -> Flows:
    return Flows(
        Names(
            lambda index: f"eth{index}",
            lambda number: f"/slice-{number}",
            lambda address: f"f+{address:#x}",
            DROPS,
            "node",
        )
    )


def one(name: str, **record: Any) -> int:
    return int(decoder().batch(records(record), 0)[name][0])


def test_what_a_record_says_is_in_the_columns() -> None:
    batch = decoder().batch(
        records(
            {
                "time_ns": 5,
                "source": "10.0.0.1",
                "destination": "fd00::2",
                "source_port": 4000,
                "destination_port": 80,
                "protocol": 6,
                "ip_version": 1,
                "tcp_flags": 0x12,
                "packets": 3,
                "bytes": 1 << 40,
                "srtt_us": 7,
                "connect_latency_us": 8,
                "retransmits": 9,
                "socket_cookie": 10,
                "tcp_event": TCPEvent.CONNECT,
                "icmp_type": 11,
                "icmp_code": 12,
                "sctp_chunk": 2,
                "trace_reason": TraceReason.REPLY,
            }
        ),
        1000,
    )
    expected = {
        "time_ns": 1005,
        "source_port": 4000,
        "destination_port": 80,
        "protocol": 6,
        "ip_version": 1,
        "tcp_flags": 0x12,
        "packets": 3,
        "bytes": 1 << 40,
        "srtt_us": 7,
        "connect_latency_us": 8,
        "retransmits": 9,
        "socket_cookie": 10,
        "tcp_event": 1,
        "icmp_type": 11,
        "icmp_code": 12,
        "sctp_chunk_type": 2,
        "trace_reason": 3,
        "verdict": Verdict.FORWARDED,
        "event_type": EventType.TRACE,
        "flow_type": 1,
    }
    assert {name: int(batch[name][0]) for name in expected} == expected
    assert addresses.text(batch["source_high"][0], batch["source_low"][0]) == "10.0.0.1"
    assert addresses.text(batch["destination_high"][0], batch["destination_low"][0]) == "fd00::2"
    assert batch.rows("node_name") == ["node"]


def test_every_column_is_a_copy_of_its_own() -> None:
    raw = records(*[{"source": "10.0.0.1", "pid": 4, "outer_destination_port": 4789, "kind": kind} for kind in (1, 2)])
    batch = decoder().batch(raw, 0)
    assert not any(np.shares_memory(batch[name], raw) for name in batch.names())
    assert set(batch.names()) <= COLUMNS.keys()


@pytest.mark.parametrize(
    ("point", "sub_type"),
    [(3, 3), (101, 0), (10, 10), (5, 5)],
)
def test_the_sub_type_is_the_datapaths_own_number_of_the_point(point: int, sub_type: int) -> None:
    assert (one("trace_point", point=point), one("event_sub_type", point=point)) == (point, sub_type)


@pytest.mark.parametrize(
    ("direction", "reply", "shown", "is_reply"),
    [
        (Direction.EGRESS, 0, Direction.EGRESS, 0),
        (Direction.INGRESS, 0, Direction.INGRESS, 0),
        (Direction.EGRESS, 1, Direction.INGRESS, 1),  # an answer of a server: the connection came in
        (Direction.INGRESS, 1, Direction.EGRESS, 1),
        (Direction.TRAFFIC_DIRECTION_UNKNOWN, 1, Direction.TRAFFIC_DIRECTION_UNKNOWN, 1),
        (Direction.EGRESS, 255, Direction.TRAFFIC_DIRECTION_UNKNOWN, -1),  # who opened it is not known
    ],
)
def test_the_direction_is_the_connections(direction: int, reply: int, shown: int, is_reply: int) -> None:
    assert one("traffic_direction", direction=direction, reply=reply) == shown
    assert one("is_reply", direction=direction, reply=reply) == is_reply


def test_a_drop_has_the_kernels_reason_and_the_nearest_of_hubbles() -> None:
    drop = {"kind": Kind.DROP, "drop_reason": 12, "location": 0x80, "reply": 0, "direction": 2, "point": 3}
    batch = decoder().batch(records({}, drop, {**drop, "drop_reason": 2 << 16 | 3}), 0)
    assert batch["verdict"].tolist() == [Verdict.FORWARDED, Verdict.DROPPED, Verdict.DROPPED]
    assert batch["event_type"].tolist() == [EventType.TRACE, EventType.DROP, EventType.DROP]
    assert batch["drop_reason"].tolist() == [0, DropReason.POLICY_DENIED, DropReason.DROP_REASON_UNKNOWN]
    assert batch["event_sub_type"].tolist() == [0, 133, 0]
    assert batch["is_reply"].tolist() == [-1, -1, -1]
    assert batch["trace_point"].tolist() == [0, 0, 0]
    assert batch["traffic_direction"].tolist() == [0, 2, 2]
    assert batch.rows("kernel_drop_reason") == ["", "NETFILTER_DROP", "OPENVSWITCH/3"]
    assert batch.rows("drop_location") == ["", "f+0x80", "f+0x80"]


def test_the_owner_of_the_socket_is_a_row_of_the_processes() -> None:
    owned = {"pid": 7, "comm": "nginx", "uid": 33, "cgroup_id": 9, "netns_cookie": 4}
    batch = decoder().batch(records(owned, {}, owned, {**owned, "comm": "nginx: worker 16"}), 0)
    assert batch.rows("process") == [
        Process(7, "nginx", 33, 9, "/slice-9", 4),
        Process(),
        Process(7, "nginx", 33, 9, "/slice-9", 4),
        Process(7, "nginx: worker 16", 33, 9, "/slice-9", 4),
    ]
    assert batch["process"][1] == 0
    assert len(batch.tables.processes) == 3


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ({"ifindex": 3, "netns_cookie": own_netns_cookie()}, "eth3"),
        ({"ifindex": 3, "netns_cookie": own_netns_cookie(), "socket_cookie": 5}, "eth3"),
        ({"ifindex": 3}, "eth3"),  # a forwarded packet, of this namespace
        ({"ifindex": 3, "socket_cookie": 5}, ""),  # a socket of a namespace that the kernel did not tell
        ({"ifindex": 3, "netns_cookie": 99}, ""),  # index 3 of another namespace is another interface
        ({}, ""),
    ],
)
def test_an_interface_has_a_name_in_its_own_namespace_only(record: dict[str, int], name: str) -> None:
    assert decoder().batch(records(record), 0).rows("link") == [Link(index=record.get("ifindex", 0), name=name)]


def test_links_differ_by_any_of_their_parts() -> None:
    base = {"ifindex": 3, "source_mac": "02:00:00:00:00:01", "destination_mac": "02:00:00:00:00:02", "vlan": 4}
    changes: list[dict[str, Any]] = [
        {"ifindex": 4},
        {"source_mac": "03:00:00:00:00:01"},
        {"destination_mac": "02:00:00:00:00:03"},
        {"vlan": 5},
    ]
    batch = decoder().batch(records(base, *[base | change for change in changes]), 0)
    assert len(set(batch.rows("link"))) == 5
    assert batch.rows("link")[0] == Link(3, "eth3", "02:00:00:00:00:01", "02:00:00:00:00:02", 4)


def test_the_outer_headers_are_contents_of_encapsulated_packets_only() -> None:
    outer = {
        "outer_source": "192.0.2.1",
        "outer_destination": "2001:db8::1",
        "outer_source_port": 5,
        "outer_destination_port": 4789,
        "vni": 77,
    }
    batch = decoder().batch(records({}, outer, {**outer, "vni": 78}), 0)
    tunnel = Tunnel(1, "192.0.2.1", "2001:db8::1", 5, 4789, 77)
    assert batch.rows("contents")[:2] == [Contents(), Contents(tunnel=tunnel)]
    assert batch.rows("contents")[2].tunnel.vni == 78


def test_at_a_socket_the_other_tuple_is_who_was_asked_for_and_as_whom() -> None:
    asked = {"outer_destination": "10.96.0.10", "outer_destination_port": 80, "point": TracePoint.TO_STACK}
    seen = {"outer_source": "10.0.0.1", "outer_source_port": 5}
    back = {**asked, **seen, "point": TracePoint.TO_ENDPOINT}
    batch = decoder().batch(
        records(asked, {**asked, **seen}, {**back, "socket_cookie": 7}, back, {**asked, **seen, "kind": Kind.DROP}), 0
    )
    translated = Contents(translation=Translation("10.96.0.10", 80))
    assert batch.rows("contents") == [*[translated] * 3, batch.rows("contents")[3], Contents()]
    assert batch.rows("contents")[3].tunnel.destination == "10.96.0.10"
    assert batch.rows("source_xlated") == ["", "10.0.0.1", "10.0.0.1", "", ""]


def test_uuids_are_valid_and_no_two_are_the_same() -> None:
    flows = decoder()
    batches = [flows.batch(records(*[{}] * 100), 0) for _ in range(3)]
    found = {
        UUID(int=int(high) << 64 | int(low))
        for b in batches
        for high, low in zip(b["uuid_high"], b["uuid_low"], strict=True)
    }
    assert len(found) == 300
    assert {(uuid.version, uuid.variant) for uuid in found} == {(8, "specified in RFC 4122")}


def test_no_records_are_no_flows() -> None:
    assert len(decoder().batch(records(), 0)) == 0


def test_full_tables_are_followed_by_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tables, "FULL_ROWS", 50)
    flows = decoder()
    batches = []
    for n in range(4):
        flows.renew_when_full()
        batches.append(flows.batch(records(*[{"pid": 100 * n + i} for i in range(40)]), 0))
    assert len({id(batch.tables) for batch in batches}) == 2
    for n, batch in enumerate(batches):
        assert [process.pid for process in batch.rows("process")] == [100 * n + i for i in range(40)]
        assert set(batch.rows("node_name")) == {"node"}


@given(st.binary(min_size=3 * RECORD.itemsize, max_size=3 * RECORD.itemsize))
def test_any_bytes_make_flows(raw: bytes) -> None:
    batch = decoder().batch(np.frombuffer(raw, RECORD), 0)
    assert len(batch) == 3
    for name in batch.names():
        if COLUMNS[name].table:
            assert len(batch.rows(name)) == 3


def test_the_handshake_of_a_shared_listener_is_that_of_the_worker_who_serves() -> None:
    there = {"destination": "10.0.0.1", "source": "10.0.0.2", "source_port": 4000, "destination_port": 80}
    back = {"source": "10.0.0.1", "destination": "10.0.0.2", "source_port": 80, "destination_port": 4000}
    tcp = {"protocol": 6, "ip_version": 1, "netns_cookie": 1, "socket_cookie": 5}
    other = {**there, "source_port": 4001}
    batch = decoder().batch(
        records(
            {**tcp, **there, "point": 101},
            {**tcp, **back, "point": 3},
            {**tcp, **other, "point": 101},
            {**tcp, **there, "point": 3, "pid": 9, "comm": "client"},  # the other end, on the same machine
            {**tcp, **back, "point": 3, "pid": 7, "comm": "worker"},
        ),
        0,
    )
    assert [process.pid for process in batch.rows("process")] == [7, 7, 0, 9, 7]

"""`-o columns`: every column by its own name, also one that comes tomorrow."""

import json
import re
from enum import IntFlag
from typing import Any

import numpy as np
import pytest

from rubin.cli.output.flat_json import Columns, flags, plain
from rubin.model import addresses, enums
from rubin.model.batch import FlowBatch, Lost, empty
from rubin.model.columns import COLUMNS, DTYPES, Column
from rubin.model.enums import LostSource, TCPFlags
from rubin.model.messages import Message, MessageType
from rubin.model.tables import Contents, Endpoint, Link, Process, Service, Tables, Tunnel, Workload
from tests.cli.every_kind import every_kind
from tests.cli.golden import check
from tests.flows import flows, generate


def _printed(batch: FlowBatch) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Columns().text(batch).splitlines()]


def test_every_kind_of_flow_reads_as_the_file_says() -> None:
    check("flows-columns.txt", Columns().text(every_kind()))


def test_our_own_facts_have_their_columns_names() -> None:
    (flow,) = _printed(
        flows("src dst packets bytes srtt_us retransmits tcp_event\n[fd00::1]:4 [fd00::2]:80 3 180 7 1 1")
    )
    told = {name: flow[name] for name in ("source", "source_port", "packets", "bytes", "srtt_us", "retransmits")}
    assert told == {"source": "fd00::1", "source_port": 4, "packets": 3, "bytes": 180, "srtt_us": 7, "retransmits": 1}
    assert flow["tcp_event"] == "CONNECT"


def test_numbers_are_the_columns_numbers() -> None:
    batch = generate(300)
    named = {name for name in COLUMNS if COLUMNS[name].table or "enums." in COLUMNS[name].meaning}
    for row, flow in enumerate(_printed(batch)):
        for name in set(COLUMNS) - named:
            if not name.endswith(("_high", "_low")):
                assert flow.get(name, COLUMNS[name].missing) == batch[name][row]
        assert addresses.pair(flow["destination"]) == (batch["destination_high"][row], batch["destination_low"][row])


def test_what_is_missing_is_left_out() -> None:
    assert _printed(FlowBatch({"verdict": np.zeros(2)}, Tables())) == [{}, {}]
    assert _printed(FlowBatch({"is_reply": np.array([-1, 0])}, Tables())) == [{}, {"is_reply": 0}]


def test_an_address_is_there_where_ip_is() -> None:
    batch = FlowBatch({"ip_version": np.array([2, 0]), "protocol": np.array([58, 0])}, Tables())
    assert _printed(batch) == [{"ip_version": "IPv6", "source": "::", "destination": "::", "protocol": "ICMPv6"}, {}]


def test_a_new_column_appears_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    new = [
        (Column("queue_us", "u4", 0, "how long it waited"), 7, 7),
        (Column("second_verdict", "u1", 0, "enums.Verdict, once more"), 2, "DROPPED"),
        (Column("strange_verdict", "u1", 0, "enums.Verdict"), 99, 99),
        (Column("way", "u4", 0, "the interface on the way", "", "links"), 1, {"index": 3, "name": "eth3"}),
        (Column("router_high", "u8", 0, "first half of the router's address"), 0, None),
        (Column("router_low", "u8", 0, "second half of the router's address"), addresses.pair("10.0.0.9")[1], None),
    ]
    tables = Tables()
    tables.links.code(Link(3, "eth3"))
    for column, _, _ in new:
        monkeypatch.setitem(COLUMNS, column.name, column)
        monkeypatch.setitem(DTYPES, column.name, np.dtype(column.dtype))
    numbers = {column.name: np.array([number]) for column, number, _ in new}
    (flow,) = _printed(FlowBatch({"ip_version": np.array([1]), **numbers}, tables))
    expected = {column.name: value for column, _, value in new if value is not None} | {"router": "10.0.0.9"}
    assert {name: flow[name] for name in expected} == expected


def test_every_enumeration_that_a_column_names_is_there() -> None:
    named = [found for column in COLUMNS.values() for found in re.findall(r"enums\.(\w+)", column.meaning)]
    assert len(named) > 10
    assert all(hasattr(enums, name) for name in named)


ROWS = [
    (Process(), {}),
    (
        Process(9, "sh", 0, 5, "/a", 3),
        {"pid": 9, "command": "sh", "uid": 0, "cgroup_id": 5, "cgroup": "/a", "netns_cookie": 3},
    ),
    (
        Endpoint(1, 2, "c", "ns", ("a=b",), "pod", (Workload("w", "Deployment"),), ("x.y",), Service("s", "t")),
        {
            "id": 1,
            "identity": 2,
            "cluster_name": "c",
            "namespace": "ns",
            "labels": ["a=b"],
            "pod_name": "pod",
            "workloads": [{"name": "w", "kind": "Deployment"}],
            "names": ["x.y"],
            "service": {"name": "s", "namespace": "t"},
        },
    ),
    (
        Message(MessageType.RESPONSE, "http", status=200, attributes=(("a", "b"),)),
        {"type": "RESPONSE", "protocol": "http", "status": 200, "attributes": [["a", "b"]]},
    ),
    (Contents(tunnel=Tunnel(1, vni=7)), {"tunnel": {"protocol": 1, "vni": 7}}),
    (Contents(rest=b"\x00\xff"), {"rest": "AP8="}),
    ("text", "text"),
]


@pytest.mark.parametrize(("row", "value"), ROWS)
def test_rows_of_tables_become_objects(row: object, value: object) -> None:
    assert plain(row) == value


def test_bits_without_a_name_stay_a_number() -> None:
    kind: type[IntFlag] = TCPFlags
    assert flags(kind)(0b1010_0001_0010) == ["SYN", "ACK", 0xA00]


def test_losses_stand_between_flows() -> None:
    lost = Lost(LostSource.HUBBLE_RING_BUFFER, 3, 5, place="ring")
    assert Columns().text(empty(lost=(lost,))) == (
        '{"lost":{"source":"HUBBLE_RING_BUFFER","events":3,"time_ns":5,"place":"ring"}}\n'
    )
    assert Columns().text(empty()) == Columns().end() == ""


def test_lines_are_ascii_without_control_characters() -> None:
    batch = flows("src dst node_name\n10.0.0.1:1 10.0.0.2:2 x")
    tables = batch.tables
    code = tables.strings.code("kø\n\x1b\u202e\udc80")
    text = Columns().text(batch.with_columns(node_name=np.array([code])))
    assert text.isascii()
    assert text[:-1].isprintable()
    assert json.loads(text)["node_name"] == tables.strings[code]

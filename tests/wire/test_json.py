"""JSON as Hubble's own clients print it, and what comes in as lines."""

import io
import json as plain
from pathlib import Path

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.model.batch import Lost
from rubin.model.enums import LostSource, Verdict
from rubin.wire import json, jsonlines
from rubin.wire.decode import Decoder
from rubin.wire.flows import FlowEncoder
from rubin.wire.pb import flow_pb2, observer_pb2
from tests.flows import flows, generate
from tests.wire.made import flow_messages

# Printed by Hubble's CLI for this flow (reference, section 2.5).
HUBBLES = (
    '{"flow":{"time":"1970-01-01T00:20:34.567800Z","verdict":"DROPPED","IP":{"source":"1.1.1.1","destination":"2.2.2.2"},'
    '"l4":{"TCP":{"source_port":31793,"destination_port":8080}},"source":{"identity":4},"destination":{"identity":12345},'
    '"Type":"L3_L4","node_name":"k8s1","event_type":{"type":1,"sub_type":133},"is_reply":false,'
    '"Summary":"TCP Flags: SYN"},"node_name":"k8s1","time":"1970-01-01T00:20:34.567800Z"}'
)


def test_a_line_of_hubble_comes_out_to_the_byte() -> None:
    parsed = jsonlines.parse_lines([HUBBLES.encode()])
    assert (parsed.bad_lines, parsed.unknown_fields) == (0, 0)
    assert list(json.lines(parsed.batch, FlowEncoder(None, "1"))) == [HUBBLES]


def test_a_loss_comes_out_as_hubble_writes_it() -> None:
    lost = Lost(LostSource.HUBBLE_RING_BUFFER, 3, 1_234_567_800_000, cpu=0, node_name="k8s1")
    batch = flows("src dst\n10.0.0.1 10.0.0.2").take(slice(0, 0)).with_lost((lost,))
    (line,) = json.lines(batch, FlowEncoder(None, "1"))
    expected = '{"lost_events":{"source":"HUBBLE_RING_BUFFER","num_events_lost":"3","cpu":0},"node_name":"k8s1",'
    assert line == expected + '"time":"1970-01-01T00:20:34.567800Z"}'
    assert jsonlines.parse_lines([line.encode()]).batch.lost == (lost,)


@pytest.mark.parametrize(
    ("nanos", "text"),
    [(0, "00Z"), (1_000_000, "00.001Z"), (120_000, "00.000120Z"), (5, "00.000000005Z"), (999_000_000, "00.999Z")],
)
def test_a_time_has_as_many_digits_as_it_needs(nanos: int, text: str) -> None:
    flow = flow_pb2.Flow()
    flow.time.nanos = nanos
    assert json.text(flow) == f'{{"time":"1970-01-01T00:00:{text}"}}'


def test_strings_are_escaped_as_go_does() -> None:
    expected = r'{"node_name":"a\u003cb\u003e\u0026\u2028\u2029ü\"\\\n\u0001"}'
    assert json.text(flow_pb2.Flow(node_name='a<b>&\u2028\u2029ü"\\\n\x01')) == expected


def test_numbers_are_written_as_go_does() -> None:
    status = observer_pb2.ServerStatusResponse(num_flows=2**63, flows_rate=23.456, version="x")
    status.num_connected_nodes.value = 3
    assert (
        json.text(status)
        == '{"num_flows":"9223372036854775808","num_connected_nodes":3,"version":"x","flows_rate":23.456}'
    )
    assert json.text(observer_pb2.ServerStatusResponse(flows_rate=2)) == '{"flows_rate":2}'
    assert json.text(flow_pb2.Flow(verdict=99)) == '{"verdict":99}'  # type: ignore[arg-type]


@given(flow_messages())
@settings(max_examples=100, deadline=None)
def test_any_flow_says_in_json_what_protobuf_says(flow: flow_pb2.Flow) -> None:
    flow.ClearField("extensions")
    response = observer_pb2.GetFlowsResponse(flow=flow)
    ours = plain.loads(json.text(response))
    assert ours == json_format.MessageToDict(response, preserving_proto_field_name=True)


@given(flow_messages())
@settings(max_examples=100, deadline=None)
def test_any_flow_comes_back_from_its_line(flow: flow_pb2.Flow) -> None:
    flow.ClearField("extensions")
    response = observer_pb2.GetFlowsResponse(flow=flow)
    parsed = jsonlines.parse_lines([json.text(response).encode()])
    assert (parsed.bad_lines, parsed.unknown_fields, parsed.first_bad) == (0, 0, (0, ""))
    assert list(FlowEncoder(None, "1").messages(parsed.batch)) == [flow]


_keys = st.sampled_from(
    ["flow", "time", "l4", "TCP", "source", "labels", "verdict", "is_reply", "uuid", "extensions", "socket_cookie"]
)
_values = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
)


@given(st.binary(max_size=60) | _values.map(lambda value: plain.dumps(value).encode()))
@settings(max_examples=150, deadline=None)
def test_no_line_whatever_it_holds_stops_the_reading(line: bytes) -> None:
    parsed = jsonlines.parse_lines([line, HUBBLES.encode()])
    assert parsed.batch["verdict"][-1] == Verdict.DROPPED


@pytest.mark.parametrize(
    ("line", "bad", "unknown", "rows"),
    [
        ("", 0, 0, 0), ("  \n", 0, 0, 0), ("{", 1, 0, 0), ("[]", 1, 0, 0), ("3", 1, 0, 0), ('{"flow":3}', 1, 0, 0),
        ('{"flow":{"verdict":"DROPPED","brand_new":{"a":1}},"also_new":1}', 0, 2, 1),
        ('{"flow":{"verdict":"A_NEWER_ONE"}}', 0, 0, 1), ('{"flow":{"verdict":2}}', 0, 0, 1),
        ('{"flow":{"time":"yesterday"}}', 1, 0, 0), ('{"flow":{"l4":{"TCP":{"source_port":-1}}}}', 1, 0, 0),
        ('{"flow":{"l4":{"TCP":{"source_port":"80"}}}}', 0, 0, 1), ('{"flow":{"is_reply":null}}', 0, 0, 1),
        ('{"verdict":"DROPPED","time":"2024-01-01T00:00:00Z"}', 0, 0, 1), ("[" * 100_000, 1, 0, 0),
        ('{"flow":{"nodeName":"camel"}}', 0, 0, 1), ('{"node_status":{"message":"x"},"node_name":"r"}', 0, 0, 0),
        ('{"flow":{"time":"2024-01-01T02:00:00.5+02:00"}}', 0, 0, 1), ('{"flow":{"labels":1,"source":[]}}', 1, 1, 0),
    ],
)  # fmt: skip
def test_lines_that_are_not_quite_flows(line: str, bad: int, unknown: int, rows: int) -> None:
    parsed = jsonlines.parse_lines([line.encode()])
    assert (parsed.bad_lines, parsed.unknown_fields, len(parsed.batch)) == (bad, unknown, rows)
    assert bool(parsed.first_bad[0]) == bool(bad)


def test_a_bare_flow_of_an_old_client_is_a_flow() -> None:
    bare = plain.dumps(plain.loads(HUBBLES)["flow"]).encode()
    again = list(FlowEncoder(None, "1").messages(jsonlines.parse_lines([bare]).batch))
    assert again == [json_format.Parse(HUBBLES, observer_pb2.GetFlowsResponse()).flow]


def test_a_line_without_end_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonlines, "MAX_LINE_BYTES", 1_000)
    file = io.BytesIO(b'{"a":"' + b"x" * 5_000 + b'"}\n' + HUBBLES.encode() + b"\n" + b"y" * 2_500)
    lines = list(jsonlines.read_lines(file))
    assert [len(line) for line in lines] == [1_000, len(HUBBLES) + 1, 1_000]
    parsed = jsonlines.parse_lines(lines)
    assert (len(parsed.batch), parsed.bad_lines, parsed.first_bad[0]) == (1, 2, 1)


def test_a_longer_line_than_the_limit_that_ends_at_it_is_cut_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonlines, "MAX_LINE_BYTES", 8)
    assert list(jsonlines.read_lines(io.BytesIO(b"1234567\n12345678\nab\n"))) == [b"1234567\n", b"12345678", b"ab\n"]


def test_flows_print_as_they_always_did() -> None:
    golden = Path(__file__).parent.parent / "golden" / "wire.jsonl"
    batch = generate(40, endpoints=20, pairs=10)
    assert "\n".join(json.lines(batch, FlowEncoder(None, "0.0.0"))) + "\n" == golden.read_text()


def test_a_parser_that_goes_on_remembers() -> None:
    batch = generate(200)
    lines = [line.encode() for line in json.lines(batch, FlowEncoder(None, "1"))]
    parser = jsonlines.LineParser()
    first, second = parser.parse(lines[:100]), parser.parse([*lines[100:], b'{"flow":{"new":1}}'])
    assert first.batch.tables is second.batch.tables
    assert second.unknown_fields == 1
    assert len(Decoder(first.batch.tables).batch([])) == 0

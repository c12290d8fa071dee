"""The fast encoder says, for every row, what python-protobuf objects say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.errors import RubinError
from rubin.model.batch import FlowBatch, Lost
from rubin.model.enums import LostSource
from rubin.model.exchanges import expanded
from rubin.model.messages import DNS, Message
from rubin.model.tables import Contents, Endpoint, Tables
from rubin.wire.flows import FlowEncoder, lost_response
from rubin.wire.pb import flow_pb2, observer_pb2
from tests.flows import flows, generate
from tests.wire import reference
from tests.wire.made import batches

MASKS = [
    [], ["time"], ["uuid", "node_name"], ["time.seconds", "l4.TCP.flags"], ["time.nanos", "l4.TCP.flags.SYN"],
    ["l4.TCP.source_port", "l4.SCTP.chunk_type", "l4.ICMPv4.code"], ["l4.TCP", "l4.UDP.destination_port"], ["l4"],
    ["source.pod_name", "destination.labels", "l7", "IP.source"], ["IP.destination", "IP.ipVersion", "is_reply"],
    ["source.workloads", "emitter.name", "event_type.type", "Summary", "l7.http.url"], ["IP", "IP.source", "ethernet"],
    ["socket_cookie", "cgroup_id", "reply", "interface.name", "source_service", "destination_names"],
]  # fmt: skip


@given(batches(), st.sampled_from(MASKS))
@settings(max_examples=150, deadline=None)
def test_any_columns_come_out_as_protobuf_objects_would(batch: FlowBatch, paths: list[str]) -> None:
    assert list(FlowEncoder(paths, "1.2.3").responses(batch)) == reference.responses(batch, paths, "1.2.3")


def test_a_busy_node_comes_out_as_protobuf_objects_would() -> None:
    batch = generate(3_000)
    assert list(FlowEncoder(None, "1").responses(batch)) == reference.responses(batch, [], "1")


def test_messages_are_framed_for_grpc_and_cut_at_rows() -> None:
    encoder = FlowEncoder(None, "1")
    encoder.ROWS = 100
    parts = encoder.encode(generate(250))
    assert len(parts) == 3
    assert b"".join(parts)[0] == 0
    again = [response.SerializeToString() for response in FlowEncoder(None, "1").responses(generate(250))]
    assert [response.SerializeToString() for response in encoder.responses(generate(250))] == again


def test_an_encoder_goes_from_one_tables_to_another_and_back() -> None:
    first, second = generate(50, seed=1), generate(50, seed=2)
    encoder = FlowEncoder(None, "1")
    for batch in (first, second, generate(50, seed=3), first, second):
        assert list(encoder.responses(batch)) == reference.responses(batch, [], "1")


def test_rows_that_join_a_table_later_are_known() -> None:
    tables = Tables()
    encoder = FlowEncoder(None, "1")
    for number in range(1, 5):
        code = tables.contents.code(Contents(proxy_port=number))
        code_2 = tables.endpoints.code(Endpoint(identity=number))
        batch = FlowBatch({"contents": np.array([code]), "source_endpoint": np.array([code_2])}, tables)
        (flow,) = encoder.messages(batch)
        assert (flow.proxy_port, flow.source.identity) == (number, number)


def test_more_pairs_than_are_kept_are_right_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rubin.wire.known.Known.LIMIT", 300)
    batch = generate(1_000)
    encoder = FlowEncoder(None, "1")
    encoder.ROWS = 128
    assert list(encoder.responses(batch)) == reference.responses(batch, [], "1")


@pytest.mark.parametrize("path", ["nope", "source.nope", "", ".", "source.", "source.workloads.name", "verdict.x"])
def test_a_path_that_is_no_field_is_refused(path: str) -> None:
    with pytest.raises(RubinError, match="invalid fieldmask"):
        FlowEncoder([path], "1")


def test_the_kernels_reason_of_a_drop_stands_in_the_file_name() -> None:
    batch = flows("""
        src          dst          verdict  drop_reason  kernel_drop_reason  drop_location      tcp_flags
        10.0.0.1:40  10.0.0.2:80  DROPPED  133          NETFILTER_DROP      nf_hook_slow+0x5a  SYN
        10.0.0.1:40  10.0.0.2:80  DROPPED  133          NETFILTER_DROP      -                  SYN
        10.0.0.1:40  10.0.0.2:80  DROPPED  133          -                   nf_hook_slow+0x5a  SYN
    """)
    found = [(flow.file.name, flow.Summary, flow.drop_reason) for flow in FlowEncoder(None, "1").messages(batch)]
    names = ["NETFILTER_DROP at nf_hook_slow+0x5a", "NETFILTER_DROP", "at nf_hook_slow+0x5a"]
    assert found == [(name, "TCP Flags: SYN", 133) for name in names]


def test_rest_wins_over_columns_and_an_empty_emitter_means_none() -> None:
    kept = flow_pb2.Flow(Summary="mine", uuid="not one")
    kept.time.seconds = 1 << 36
    kept.l4.VRRP.vrid = 7
    tables = Tables()
    code = tables.contents.code(Contents(rest=kept.SerializeToString() + b"\xca\x02\x00"))
    batch = FlowBatch({"contents": np.array([code]), "protocol": np.array([6]), "time_ns": np.array([5])}, tables)
    (response,) = FlowEncoder(None, "1").responses(batch)
    assert response.flow == kept
    assert response.time == kept.time


def _said(*rows: Message) -> FlowBatch:
    tables = Tables()
    return FlowBatch({"message": tables.messages.codes(rows), "is_reply": np.ones(len(rows))}, tables)


def _halves(row: Message) -> tuple[flow_pb2.Flow, flow_pb2.Flow]:
    batch = expanded(_said(row))
    asked, answered = (
        observer_pb2.GetFlowsResponse.FromString(one.SerializeToString()).flow
        for one in FlowEncoder(None, "1").responses(batch)
    )
    return asked, answered


def test_an_exchange_of_http_is_hubbles_request_and_response() -> None:
    whole = Message(
        4, "http", "GET", "shop", "/pay", "HTTP/1.1", 404, True, "", 4_000_000, trace_id="abc", attributes=(("a", "b"),)
    )  # fmt: skip
    asked, answered = _halves(whole)
    headers = [flow_pb2.HTTPHeader(key="a", value="b")]
    http = flow_pb2.HTTP(method="GET", url="http://shop/pay", protocol="HTTP/1.1", headers=headers)
    assert asked.l7 == flow_pb2.Layer7(type=flow_pb2.REQUEST, http=http)
    http.code = 404
    assert answered.l7 == flow_pb2.Layer7(type=flow_pb2.RESPONSE, latency_ns=4_000_000, http=http)
    assert asked.trace_context.parent.trace_id == answered.trace_context.parent.trace_id == "abc"
    assert asked.Summary == "HTTP/1.1 GET http://shop/pay"
    assert answered.Summary == "HTTP/1.1 404 4ms (GET http://shop/pay)"


def test_an_exchange_of_dns_is_hubbles_question_and_answer() -> None:
    whole = DNS("x.", ("1.2.3.4",), 30, ("y.",), "proxy", 3, ("A",), ("A",))
    asked, answered = _halves(Message(4, "dns", target="x.", dns=whole))
    question = flow_pb2.DNS(query="x.", observation_source="proxy", qtypes=["A"])
    assert asked.l7 == flow_pb2.Layer7(type=flow_pb2.REQUEST, dns=question)
    question.MergeFrom(flow_pb2.DNS(ips=["1.2.3.4"], ttl=30, cnames=["y."], rcode=3, rrtypes=["A"]))
    assert answered.l7 == flow_pb2.Layer7(type=flow_pb2.RESPONSE, dns=question)


def test_other_protocols_are_a_type_and_a_summary_and_grpc_is_http() -> None:
    asked, answered = _halves(Message(4, "redis", "GET", failed=True, error="WRONGTYPE", latency_ns=2_000_000))
    assert asked.l7 == flow_pb2.Layer7(type=flow_pb2.REQUEST)
    assert answered.l7 == flow_pb2.Layer7(type=flow_pb2.RESPONSE, latency_ns=2_000_000)
    assert (asked.Summary, answered.Summary) == ("Redis GET", "Redis ERROR WRONGTYPE 2ms (GET)")
    _, answered = _halves(Message(4, "grpc", "POST", "shop", "/shop.Cart/Add", status=200))
    http = flow_pb2.HTTP(code=200, method="POST", url="http://shop/shop.Cart/Add", protocol="HTTP/2")
    assert answered.l7 == flow_pb2.Layer7(type=flow_pb2.RESPONSE, http=http)


def test_a_trace_id_alone_makes_no_layer_7() -> None:
    (flow,) = FlowEncoder(None, "1").messages(_said(Message(trace_id="abc")))
    assert flow.trace_context.parent.trace_id == "abc"
    assert not flow.HasField("l7")


def test_a_summary_of_its_own_and_a_rest_stand_above_the_message() -> None:
    batch = _said(Message(2, "redis", "GET"), Message(2, "http", "GET", target="/"))
    kept = flow_pb2.Flow(l7=flow_pb2.Layer7(latency_ns=7))
    code = batch.tables.contents.codes([Contents(summary="mine"), Contents(rest=kept.SerializeToString())])
    mine, rest = FlowEncoder(None, "1").messages(batch.with_columns(contents=code))
    assert (mine.Summary, mine.l7.type) == ("mine", flow_pb2.RESPONSE)
    assert rest.l7 == kept.l7


def test_more_messages_than_are_kept_are_right_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rubin.wire.pieces.Pieces._KEPT_MESSAGES", 50)
    batch = _said(*(Message(1 + number % 3, "http", "GET", target=f"/{number % 70}") for number in range(300)))
    encoder = FlowEncoder(None, "1")
    encoder.ROWS = 64
    for _ in range(2):
        assert list(encoder.responses(batch)) == reference.responses(batch, [], "1")
    (made,) = encoder._pieces.values()
    assert len(made._messages) <= 64


def test_a_loss_is_told_with_all_that_is_known_of_it() -> None:
    lost = Lost(LostSource.PERF_EVENT_RING_BUFFER, 5, 3_000_000_001, 1_000_000_000, 2_500_000_000, 1, "node-1")
    expected = observer_pb2.GetFlowsResponse(node_name="node-1")
    expected.time.FromNanoseconds(3_000_000_001)
    expected.lost_events.source = flow_pb2.PERF_EVENT_RING_BUFFER
    expected.lost_events.num_events_lost = 5
    expected.lost_events.cpu.value = 1
    expected.lost_events.first.FromNanoseconds(1_000_000_000)
    expected.lost_events.last.FromNanoseconds(2_500_000_000)
    assert lost_response(lost) == expected
    assert not lost_response(Lost(LostSource.HUBBLE_RING_BUFFER, 1, 1)).lost_events.HasField("cpu")

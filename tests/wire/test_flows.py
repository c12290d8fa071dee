"""The fast encoder says, for every row, what python-protobuf objects say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.errors import RubinError
from rubin.model.batch import FlowBatch, Lost
from rubin.model.enums import LostSource
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

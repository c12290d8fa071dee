"""What comes as messages goes as the same messages."""

from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.model.batch import FlowBatch, Lost
from rubin.model.enums import LostSource
from rubin.wire.decode import Decoder, batch_from_messages
from rubin.wire.flows import FlowEncoder, lost_response
from rubin.wire.pb import flow_pb2, observer_pb2
from tests.flows import generate
from tests.wire.made import batches, flow_messages


@given(st.lists(flow_messages(), max_size=3))
@settings(max_examples=200, deadline=None)
def test_nothing_of_a_message_is_lost(flows: list[flow_pb2.Flow]) -> None:
    assert list(FlowEncoder(None, "any").messages(Decoder().flows(flows))) == flows


@given(batches())
@settings(max_examples=80, deadline=None)
def test_our_own_messages_come_back_the_same(batch: FlowBatch) -> None:
    sent = list(FlowEncoder(None, "1").responses(batch))
    assert list(FlowEncoder(None, "2").responses(batch_from_messages(sent))) == sent


def test_fields_of_a_newer_hubble_are_kept() -> None:
    newer = flow_pb2.Flow.FromString(
        flow_pb2.Flow(uuid="x", verdict=flow_pb2.DROPPED).SerializeToString() + b"\xf8\x2e\x05"
    )
    newer.source.MergeFromString(b"\xf8\x2e\x06")
    assert list(FlowEncoder(None, "1").messages(Decoder().flows([newer]))) == [newer]


def test_columns_of_a_decoded_batch_are_those_it_was_made_of() -> None:
    batch = generate(500)
    again = batch_from_messages(FlowEncoder(None, "1").responses(batch))
    same = set(batch.names()) - {
        "packets",
        "bytes",
        "process",
        "contents",
        "tcp_event",
        "srtt_us",
        "connect_latency_us",
        "retransmits",
    }
    for name in same:
        left, right = again[name], batch[name]
        if name in (
            "source_endpoint",
            "destination_endpoint",
            "link",
            "node_name",
            "kernel_drop_reason",
            "drop_location",
        ):
            assert again.rows(name) == batch.rows(name), name
        else:
            assert (left == right).all(), name


def test_losses_travel_with_the_flows() -> None:
    lost = Lost(LostSource.HUBBLE_RING_BUFFER, 7, 5_000_000_000, cpu=0, node_name="n")
    status = observer_pb2.GetFlowsResponse(node_name="relay")
    status.node_status.message = "hello"
    batch = batch_from_messages([lost_response(lost), status, *FlowEncoder(None, "1").responses(generate(3))])
    assert len(batch) == 3
    assert batch.lost == (lost,)

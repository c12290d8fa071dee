"""Filters go to Hubble's message and JSON and come back the same."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.errors import RubinError
from rubin.model.enums import TCPFlags, Verdict
from rubin.model.filter import BeyondHubble, FlowFilter
from rubin.model.tables import Workload
from rubin.wire import filters
from rubin.wire.pb import flow_pb2, observer_pb2
from tests.wire.made import fill, words


@st.composite
def messages(draw: st.DrawFn) -> flow_pb2.FlowFilter:
    message = flow_pb2.FlowFilter()
    fill(draw, message)
    message.ClearField("experimental")
    message.experimental.cel_expression.extend(draw(st.lists(words, max_size=2)))
    if not message.experimental.cel_expression:
        message.ClearField("experimental")
    return message


@given(messages())
@settings(max_examples=200, deadline=None)
def test_a_message_asks_the_same_after_a_round(message: flow_pb2.FlowFilter) -> None:
    asked = filters.filter_from_proto(message)
    assert filters.filter_to_proto(asked) == message
    assert filters.filter_from_json(filters.filter_to_json(asked)) == asked


def test_fields_have_hubbles_names() -> None:
    ours = {name for name in FlowFilter.__dataclass_fields__ if name not in ("beyond", "cel_expression")}
    assert ours == {field.name for field in flow_pb2.FlowFilter.DESCRIPTOR.fields} - {"experimental"}


def test_values_are_those_of_the_model() -> None:
    line = (
        '{"sourcePod":["default/"],"verdict":["DROPPED"],"tcp_flags":[{"SYN":true,"ACK":true}],"source_workload":'
        '[{"kind":"Job"}],"event_type":[{"type":4,"match_sub_type":true}],"interface":[{"name":"eth0"}],'
        '"http_header":[{"key":"a","value":"b"}],"ip_trace_id":["7"],"experimental":{"cel_expression":["true"]}}'
    )
    assert filters.filter_from_json(line) == FlowFilter(
        source_pod=("default/",), verdict=(Verdict.DROPPED,), tcp_flags=(TCPFlags.SYN | TCPFlags.ACK,),
        source_workload=(Workload(kind="Job"),), event_type=((4, True, 0),), interface=((0, "eth0"),),
        http_header=(("a", "b"),), ip_trace_id=(7,), cel_expression=("true",),
    )  # fmt: skip


def test_several_objects_may_follow_each_other() -> None:
    line = ' {"uuid":["a"]} {"uuid":["b"]}{"uuid":["c"]}\n'
    assert [one.uuid for one in filters.filters_from_json(line)] == [("a",), ("b",), ("c",)]
    assert filters.filters_from_json(" ") == ()


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "3", '{"nope":[1]}', '{"verdict":["DROPED"]}', '{"verdict":3}', "", "{}{}", '{"a"' + "[" * 99_999],
)
def test_what_is_no_filter_is_refused(line: str) -> None:
    with pytest.raises(RubinError, match="filter"):
        filters.filter_from_json(line)


def test_what_hubble_cannot_ask_travels_beside() -> None:
    plain = FlowFilter(source_pod=("a",))
    own = BeyondHubble(source_process=("curl",), destination_user=("0", "www"), source_pid=(7,), tcp_event=(1,))
    beyond = replace(plain, beyond=own)
    for allow, deny in (([plain, beyond], []), ([], [beyond]), ([plain], [plain]), ([], [])):
        request = observer_pb2.GetFlowsRequest()
        filters.put_filters(request, allow, deny)
        assert filters.filters_of(observer_pb2.GetFlowsRequest.FromString(request.SerializeToString())) == (allow, deny)
        assert request.HasField("extensions") == (beyond in [*allow, *deny])


def test_extensions_that_are_not_ours_are_passed_over() -> None:
    request: Any = observer_pb2.GetFlowsRequest()
    request.extensions.type_url = "type.googleapis.com/a.Fork"
    request.extensions.value = b"\xff"
    assert filters.filters_of(request) == ([], [])
    request.extensions.type_url = "type.googleapis.com/rubin.Beyond"
    with pytest.raises(RubinError, match="extensions"):
        filters.filters_of(request)

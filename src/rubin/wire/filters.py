"""Flow filters as Hubble's message and as its JSON (`--allowlist`, `--denylist`, configuration files)."""

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from rubin.errors import UsageError
from rubin.model.enums import TCPFlags
from rubin.model.filter import BeyondHubble, FlowFilter
from rubin.model.tables import Workload
from rubin.wire.pb import flow_pb2, observer_pb2, rubin_pb2
from rubin.wire.protojson import text

_WORKLOADS = ("source_workload", "destination_workload")
_OTHERS = {*_WORKLOADS, "interface", "event_type", "http_header", "tcp_flags", "experimental"}
_PLAIN = [field.name for field in flow_pb2.FlowFilter.DESCRIPTOR.fields if field.name not in _OTHERS]


def filter_from_proto(message: flow_pb2.FlowFilter) -> FlowFilter:
    """The filter that a message asks for."""
    made: dict[str, Any] = {name: tuple(values) for name in _PLAIN if (values := getattr(message, name))}
    for name in _WORKLOADS:
        made[name] = tuple(Workload(one.name, one.kind) for one in getattr(message, name))
    return FlowFilter(
        **made,
        interface=tuple((one.index, one.name) for one in message.interface),
        event_type=tuple((one.type, one.match_sub_type, one.sub_type) for one in message.event_type),
        http_header=tuple((one.key, one.value) for one in message.http_header),
        tcp_flags=tuple(sum(flag for flag in TCPFlags if getattr(one, flag.name or "")) for one in message.tcp_flags),
        cel_expression=tuple(message.experimental.cel_expression),
    )


def filter_to_proto(asked: FlowFilter) -> flow_pb2.FlowFilter:
    """The message that asks the same. `beyond` has no place in it."""
    message = flow_pb2.FlowFilter(**{name: getattr(asked, name) for name in _PLAIN})
    for name in _WORKLOADS:
        getattr(message, name).extend(flow_pb2.Workload(name=one.name, kind=one.kind) for one in getattr(asked, name))
    for index, name in asked.interface:
        message.interface.add(index=index, name=name)
    for kind, match_sub_type, sub_type in asked.event_type:
        message.event_type.add(type=kind, match_sub_type=match_sub_type, sub_type=sub_type)
    for key, value in asked.http_header:
        message.http_header.add(key=key, value=value)
    for flags in asked.tcp_flags:
        message.tcp_flags.add(**{flag.name or "": True for flag in TCPFlags if flags & flag})
    if asked.cel_expression:
        message.experimental.cel_expression.extend(asked.cel_expression)
    return message


def put_filters(request: observer_pb2.GetFlowsRequest, allow: Sequence[FlowFilter], deny: Sequence[FlowFilter]) -> None:
    """Both lists into a request, `beyond` in its extensions; those only our own servers read."""
    request.whitelist.extend(map(filter_to_proto, allow))
    request.blacklist.extend(map(filter_to_proto, deny))
    if any(asked.beyond != BeyondHubble() for asked in (*allow, *deny)):
        beyond = rubin_pb2.Beyond(
            whitelist=[rubin_pb2.Beyond.Constraints(**_lists(asked.beyond)) for asked in allow],
            blacklist=[rubin_pb2.Beyond.Constraints(**_lists(asked.beyond)) for asked in deny],
        )
        request.extensions.Pack(beyond)


def _lists(beyond: BeyondHubble) -> dict[str, Any]:
    return {one.name: getattr(beyond, one.name) for one in fields(beyond)}


def filters_of(request: observer_pb2.GetFlowsRequest) -> tuple[list[FlowFilter], list[FlowFilter]]:
    """The allow and deny lists of a request. Raises UsageError where its extensions are of no use."""
    beyond = rubin_pb2.Beyond()
    if request.extensions.type_url.endswith("/rubin.Beyond"):
        try:
            request.extensions.Unpack(beyond)
        except DecodeError as error:
            raise UsageError("the extensions of the request make no sense") from error
    return _joined(request.whitelist, beyond.whitelist), _joined(request.blacklist, beyond.blacklist)


_Constraints = rubin_pb2.Beyond.Constraints


def _joined(messages: Sequence[flow_pb2.FlowFilter], beyond: Sequence[_Constraints]) -> list[FlowFilter]:
    filters = [filter_from_proto(message) for message in messages]
    for number, more in enumerate(beyond[: len(filters)]):
        constraints = BeyondHubble(**{one.name: tuple(getattr(more, one.name)) for one in fields(BeyondHubble)})
        filters[number] = replace(filters[number], beyond=constraints)
    return filters


def filter_from_json(line: str) -> FlowFilter:
    """The filter of one JSON object. Raises UsageError naming what is wrong with it."""
    filters = filters_from_json(line)
    if len(filters) != 1:
        raise UsageError(f"{len(filters)} filters where one is expected: {line}")
    return filters[0]


def filters_from_json(line: str) -> tuple[FlowFilter, ...]:
    """The filters of JSON objects that follow each other, with blanks between them or not. Raises UsageError."""
    decoder, found, at = json.JSONDecoder(), [], 0
    line = line.strip()
    while at < len(line):
        try:
            value, at = decoder.raw_decode(line, at)
            if not isinstance(value, dict):
                raise ValueError("not an object")
            found.append(filter_from_proto(json_format.ParseDict(value, flow_pb2.FlowFilter())))
        except (ValueError, RecursionError, AttributeError, json_format.ParseError) as error:
            way_on = 'such as {"source_pod":["default/"],"verdict":["DROPPED"]}'
            raise UsageError(f"{line!r} is no flow filter: {error}", way_on) from error
        while at < len(line) and line[at].isspace():
            at += 1
    return tuple(found)


def filter_to_json(asked: FlowFilter) -> str:
    """One line, as `hubble observe --print-raw-filters` writes it."""
    return text(filter_to_proto(asked))

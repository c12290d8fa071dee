"""`rubin observe flows`: ask, print, go on while there is more."""

import asyncio
import sys
import time
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import replace

from rubin.api.client import Client
from rubin.cli.command import Arguments
from rubin.cli.files import refuse_capture, saved_flows
from rubin.cli.format_flags import FLOW_OUTPUTS, flow_printer, options_of, output_of
from rubin.cli.output.flows import Printer
from rubin.cli.output.node_status import NodeStatus
from rubin.cli.output.stdout import write
from rubin.cli.selection import ALL, Selection, read_selection, select
from rubin.cli.server import client_settings, put_selection
from rubin.errors import UsageError
from rubin.model.batch import FlowBatch
from rubin.model.filter import BeyondHubble, Filters, FlowFilter
from rubin.wire.pb.observer_pb2 import GetFlowsRequest, GetFlowsResponse
from rubin.words.filter_flags import read_filters

# What Hubble's texts are made from: Hubble's servers then send no more (hubble.md 2.4). Our own take what there is.
MASKED = ("compact", "dict", "table")
DEFAULT_MASK = (
    *("time", "verdict", "ethernet", "IP", "l4", "source.identity", "source.namespace", "source.pod_name"),
    *("destination.identity", "destination.namespace", "destination.pod_name", "Type", "node_name", "l7", "event_type"),
    *("source_service", "destination_service", "is_reply", "Summary", "ip_trace_id", "traffic_direction"),
    *("policy_match_type", "ingress_allowed_by", "ingress_denied_by", "egress_allowed_by", "egress_denied_by"),
)


def run(arguments: Arguments) -> int:
    """Print what was asked for; Ctrl-C is a good end."""
    allow, deny = asked_filters(arguments)
    if arguments["print-raw-filters"]:
        return _print_raw(allow, deny)
    output = output_of(arguments, arguments["follow"], FLOW_OUTPUTS)
    own_mask, _ = _mask(arguments)
    if own_mask and not output.endswith("json"):
        raise UsageError(f"{output} output format is not compatible with custom field mask", "-o json")
    printer = flow_printer(arguments, output, own_mask)
    try:
        if arguments["input-file"]:
            refuse_capture(arguments["input-file"])
            flows = saved_flows(arguments["input-file"])
            print_batches(select(flows, local_selection(arguments), compiled(allow, deny)), printer)
        else:
            asyncio.run(_from_server(arguments, _request(arguments, allow, deny, output), output, printer))
    except KeyboardInterrupt:
        return 0
    return 0


def asked_filters(arguments: Arguments) -> tuple[list[FlowFilter], list[FlowFilter]]:
    """The filters of flags, and those written as JSON. Raises UsageError."""
    allow, deny = read_filters(arguments.given)
    return allow + _raw("allowlist", arguments), deny + _raw("denylist", arguments)


def compiled(allow: list[FlowFilter], deny: list[FlowFilter]) -> Filters:
    """The filters, to be judged here; CEL is loaded only where one uses it. Raises UsageError."""
    if not any(each.cel_expression for each in (*allow, *deny)):
        return Filters(allow, deny)
    from rubin.wire.cel import compile_cel

    return Filters(allow, deny, compile_cel)


def _raw(name: str, arguments: Arguments) -> list[FlowFilter]:
    texts = arguments[name]
    if not texts:
        return []
    from rubin.wire.filters import filters_from_json

    return [each for text in texts for each in filters_from_json(text)]


def _print_raw(allow: list[FlowFilter], deny: list[FlowFilter]) -> int:
    from rubin.cli.output.raw_filters import raw_filters
    from rubin.wire.filters import filter_to_json

    if any(each.beyond != BeyondHubble() for each in (*allow, *deny)):
        raise UsageError(
            "Hubble's filters cannot say what only our own servers know", "leave such flags out, e.g. --process"
        )
    write(raw_filters([filter_to_json(each) for each in allow], [filter_to_json(each) for each in deny]))
    return 0


def print_batches(batches: Iterable[FlowBatch], printer: Printer) -> None:
    """Print them all, and what the printer kept to the end."""
    try:
        for batch in batches:
            write(printer.text(batch))
    finally:
        write(printer.end())


def local_selection(arguments: Arguments) -> Selection:
    """The selectors over a file: all of it unless told otherwise, and its end is the end."""
    selection = read_selection(arguments, time.time_ns(), default_number=0)
    return replace(selection, number=0 if selection.number == ALL else selection.number, follow=False)


def _request(arguments: Arguments, allow: list[FlowFilter], deny: list[FlowFilter], output: str) -> GetFlowsRequest:
    """The question to a server. A server of ours ignores the mask: its columns come whole."""
    from rubin.wire.filters import put_filters

    request = GetFlowsRequest()
    put_selection(request, read_selection(arguments, time.time_ns()))
    put_filters(request, allow, deny)
    own, wants_default = _mask(arguments)
    request.field_mask.paths.extend(own or (DEFAULT_MASK if wants_default and output in MASKED else ()))
    return request


async def _from_server(arguments: Arguments, request: GetFlowsRequest, output: str, printer: Printer) -> None:
    status = NodeStatus(output, options_of(arguments, output), arguments["debug"])

    def say_status(response: GetFlowsResponse) -> None:
        if not arguments["silent-errors"]:
            print(status.text(response), end="", file=sys.stderr, flush=True)

    try:
        async with (
            Client(client_settings(arguments)) as client,
            aclosing(client.flows(request, say_status)) as batches,
        ):
            if arguments["debug"]:
                print(f"rubin: server={client.target.text}", file=sys.stderr, flush=True)
            async for batch in batches:
                write(printer.text(batch))
    finally:
        write(printer.end())


def _mask(arguments: Arguments) -> tuple[tuple[str, ...], bool]:
    """The mask that was asked for, and whether the default one may be sent; also by their names of old."""
    own = arguments["field-mask"] or arguments["experimental-field-mask"]
    default = arguments["use-default-field-masks"] and arguments["experimental-use-default-field-masks"]
    return tuple(own), bool(default)

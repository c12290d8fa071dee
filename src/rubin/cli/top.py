"""`rubin top`: which requests are busiest, slowest or failing, by endpoint, service, client, process or protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rubin.cli.command import Arguments, Command
from rubin.cli.format_flags import color_flag
from rubin.cli.selection import WHEN
from rubin.cli.settings import GLOBAL, RAW_FILTERS, SERVER
from rubin.query.question import BY, DEFAULT_BY, SORTS
from rubin.words.filter_flags import filter_flags
from rubin.words.flags import Flag

if TYPE_CHECKING:
    from rubin.api.client import Client
    from rubin.wire.pb.observer_pb2 import GetFlowsRequest

_OUTPUTS = ("table", "wide", "json")
_EVERY_S = 2
_TEXT = """Requests and their answers, put together: how many, how many failed, how long they took.

Filters are those of rubin observe, and judge a request with its answer: --from-pod is who asks, --to-pod who is asked,
--http-status how it ended. Seen at both ends, it counts once. -n is --number here; a namespace is asked for by
--namespace."""


def command() -> Command:
    """The command."""
    filters = (flag if flag.short != "n" else _without_short(flag) for flag in filter_flags())
    flags = (*_flags(), *filters, *RAW_FILTERS, color_flag("table and wide"), *SERVER, *GLOBAL)
    return Command("top", "Show which requests are busiest, slowest or failing", flags, run, text=_TEXT)


def _without_short(flag: Flag) -> Flag:
    from dataclasses import replace

    return replace(flag, short="")


def _flags() -> tuple[Flag, ...]:
    by = f"Put together by: {', '.join(BY)}. Numbers and identifiers in a path are one endpoint."
    sort = f"Which come first: {', '.join(SORTS)} (by the 95th percentile, by the number of errors)."
    told = f"How to print: {', '.join(_OUTPUTS)}. wide has sizes, errors and processes, too."
    return (
        Flag("by", by, "choice", DEFAULT_BY, group="Selectors", metavar="WHAT", values=tuple(BY)),
        Flag("sort", sort, "choice", SORTS[0], group="Selectors", metavar="ORDER", values=SORTS),
        Flag("number", "So many rows; 0: all.", "number", 20, "n", group="Selectors", metavar="N"),
        Flag("since", f"No older requests: {WHEN}.", "text", "5m", group="Selectors", metavar="TIME"),
        Flag(
            "until", "No newer ones: as --since. Ignored with --follow.", "text", "", group="Selectors", metavar="TIME"
        ),
        Flag("follow", f"Again every {_EVERY_S} s.", "yes", False, "f", group="Selectors"),
        Flag("output", told, "choice", "table", "o", group="Format", metavar="FORMAT", values=_OUTPUTS),
    )


def run(arguments: Arguments) -> int:
    """Print the table, once or again and again; Ctrl-C is a good end."""
    import asyncio

    from rubin.cli.observe_flows import asked_filters
    from rubin.cli.output.stdout import write
    from rubin.cli.output.terminal import palette
    from rubin.cli.output.top import Printer
    from rubin.cli.server import ask
    from rubin.wire.filters import put_filters
    from rubin.wire.pb.observer_pb2 import GetFlowsRequest

    filters = asked_filters(arguments)
    printer = Printer(arguments["by"], arguments["output"], palette(arguments["color"]))
    _put_times(GetFlowsRequest(), arguments)  # what is no time is said before a server is asked

    async def question(client: Client) -> None:
        while True:
            request = GetFlowsRequest()
            put_filters(request, *filters)
            _put_times(request, arguments)
            write(printer.text(await client.top(request, arguments["by"], arguments["sort"], arguments["number"])))
            if not arguments["follow"]:
                return
            await asyncio.sleep(_EVERY_S)

    try:
        ask(arguments, question)
    except KeyboardInterrupt:
        return 0
    return 0


def _put_times(request: GetFlowsRequest, arguments: Arguments) -> None:
    """From when to when, as of now."""
    import time

    from rubin.cli.selection import Selection
    from rubin.cli.server import put_selection
    from rubin.words.times import moment_ns

    now_ns = time.time_ns()
    since_ns = moment_ns("since", arguments["since"], now_ns) if arguments["since"] else None
    is_ended = arguments["until"] and not arguments["follow"]
    until_ns = moment_ns("until", arguments["until"], now_ns) if is_ended else None
    put_selection(request, Selection(since_ns=since_ns, until_ns=until_ns))

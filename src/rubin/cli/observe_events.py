"""`rubin observe agent-events` and `debug-events`."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from rubin.api.client import Client
from rubin.cli.command import Arguments
from rubin.cli.format_flags import options_of, output_of
from rubin.cli.output.events import AgentEvent, DebugEvent, EventPrinter
from rubin.cli.output.stdout import write
from rubin.cli.selection import read_selection
from rubin.cli.server import client_settings, put_selection
from rubin.wire import json
from rubin.wire.pb.observer_pb2 import GetAgentEventsRequest, GetDebugEventsRequest


def run_agent(arguments: Arguments) -> int:
    """Print agent events."""
    request = GetAgentEventsRequest()
    put_selection(request, read_selection(arguments, time.time_ns()))
    return _run(arguments, AgentEvent, "agent_event", lambda client: client.agent_events(request))


def run_debug(arguments: Arguments) -> int:
    """Print debug events."""
    request = GetDebugEventsRequest()
    put_selection(request, read_selection(arguments, time.time_ns()))
    return _run(arguments, DebugEvent, "debug_event", lambda client: client.debug_events(request))


def _run(arguments: Arguments, kind: type[Any], field: str, question: Any) -> int:
    output = output_of(arguments, arguments["follow"])
    printer = EventPrinter(output, kind, options_of(arguments, output))

    def text(event: Any) -> str:
        if output == "json":
            return json.text(event) + "\n"
        return json.text(getattr(event, field)) + "\n" if output == "legacy-json" else printer.text(event)

    async def print_all() -> None:
        async with Client(client_settings(arguments)) as client:
            events: AsyncIterator[Any] = question(client)
            async for event in events:
                write(text(event))

    try:
        asyncio.run(print_all())
    except KeyboardInterrupt:
        return 0
    finally:
        write(printer.end())
    return 0

"""`rubin trace FLOW` and `rubin trace --trace-id ID`: a request in full, or all of a distributed trace."""

from typing import Any

from rubin.cli.command import Arguments, Command
from rubin.cli.format_flags import color_flag
from rubin.cli.settings import GLOBAL, SERVER
from rubin.errors import RubinError, UsageError
from rubin.words.flags import Flag

_OUTPUTS = ("text", "json")
_TEXT = """One request and its answer in full: who asked whom, when, what was said, how it ended, and what happened on
the connection meanwhile.

FLOW is the uuid of either, as observe -o json shows it, or at least 8 digits that it begins or ends with."""


def command() -> Command:
    """The command."""
    told = f"How to print: {', '.join(_OUTPUTS)}."
    trace_id = "All requests of this distributed trace (W3C traceparent), indented by who called whom."
    flags = (
        Flag("trace-id", trace_id, default="", metavar="ID"),
        Flag("output", told, "choice", "text", "o", group="Format", metavar="FORMAT", values=_OUTPUTS),
        color_flag("text"),
    )
    summary = "Show one request in full, or the requests of a distributed trace"
    return Command("trace", summary, (*flags, *SERVER, *GLOBAL), run, "[FLOW]", 1, text=_TEXT)


def run(arguments: Arguments) -> int:
    """Print them. Raises RubinError where there are none."""
    from rubin.cli.output.stdout import write
    from rubin.cli.output.terminal import palette
    from rubin.cli.output.trace import text
    from rubin.cli.server import ask

    trace_id, paint = arguments["trace-id"].strip().lower(), palette(arguments["color"])
    if bool(trace_id) == bool(arguments.words):
        what = "both a flow and a trace are asked for" if trace_id else "which request is asked for is not said"
        raise UsageError(what, "rubin trace UUID, as observe -o json shows it, or rubin trace --trace-id ID")
    uuid = "" if trace_id else arguments.words[0]
    found = ask(arguments, lambda client: client.trace(uuid, trace_id))
    if not found["exchanges"]:
        raise _nothing(found, uuid, trace_id)
    write(text(found["exchanges"], arguments["output"], paint))
    return 0


def _nothing(found: dict[str, Any], uuid: str, trace_id: str) -> RubinError:
    held = "rubin observe -t l7 -o json shows what is held; what is older is forgotten"
    if found.get("missing"):
        held += "; not asked: " + ", ".join(f"{one['name']} ({one['why']})" for one in found["missing"])
    if trace_id:
        return RubinError(f"no request that is held belongs to the trace '{trace_id}'", held)
    if found["packets"]:
        return RubinError(f"flow '{uuid}' is no request and no answer", "rubin observe -t l7 -o json shows those")
    return RubinError(f"no request or answer that is held has the UUID '{uuid}'", held)

"""`rubin observe`: flows, agent events and debug events of a server, or flows of a file."""

from rubin.cli.command import Arguments, Command
from rubin.cli.format_flags import event_format_flags, flow_format_flags
from rubin.cli.selection import selector_flags
from rubin.cli.settings import GLOBAL, RAW_FILTERS, SERVER
from rubin.words.filter_flags import filter_flags
from rubin.words.flags import Flag

_TEXT = """Flows as a server has seen them: the last 20, or as many as the selectors ask for; --follow goes on.

A flow passes when each filter flag agrees; of one flag's values, any. --not turns the one flag round that follows.
--pod, --ip, --port and their like ask for either end; --from-pod and --to-pod, for instance, for one."""


def command() -> Command:
    """`observe`, which is `observe flows`, and its siblings."""
    flags = (*selector_flags(), *filter_flags(), *RAW_FILTERS, *flow_format_flags(), *_flow_flags(), *_event_flags())
    flows = Command("flows", "Show flows", flags, run_flows, text=_TEXT)
    flags = (*selector_flags(), *event_format_flags(), *_event_flags())
    agent = Command("agent-events", "Show events of the agent", flags, run_agent_events)
    debug = Command("debug-events", "Show debug events of the datapath", flags, run_debug_events)
    summary = "Show flows and events, as they come or as they were"
    return Command("observe", summary, flows.flags, run_flows, text=_TEXT, commands=(flows, agent, debug))


def run_flows(arguments: Arguments) -> int:
    """Print flows."""
    from rubin.cli.observe_flows import run

    return run(arguments)


def run_agent_events(arguments: Arguments) -> int:
    """Print agent events."""
    from rubin.cli.observe_events import run_agent

    return run_agent(arguments)


def run_debug_events(arguments: Arguments) -> int:
    """Print debug events."""
    from rubin.cli.observe_events import run_debug

    return run_debug(arguments)


def _event_flags() -> tuple[Flag, ...]:
    return (Flag("silent-errors", "Do not show errors and warnings of nodes.", "yes", False, "s"), *SERVER, *GLOBAL)


def _flow_flags() -> tuple[Flag, ...]:
    mask = "Fields of a flow to print, e.g. source.pod_name,l4; for JSON."
    default_mask = "Ask for what the output shows and no more; for Hubble's texts."
    raw = "Print the filters as a config file may hold them, and end."
    file = "Read flows from this file, JSON lines, instead of asking a server; - is standard input."
    return (
        Flag("field-mask", mask, "list", (), metavar="PATH,..."),
        Flag("experimental-field-mask", mask, "list", (), metavar="PATH,...", is_hidden=True),
        Flag("use-default-field-masks", default_mask, "yes", True),
        Flag("experimental-use-default-field-masks", default_mask, "yes", True, is_hidden=True),
        Flag("print-raw-filters", raw, "yes", False),
        Flag("input-file", file, default="", metavar="FILE"),
    )

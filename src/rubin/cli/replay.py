"""`rubin replay FILE`: a capture or saved flows, named and counted as by the agent, printed as `observe` prints."""

from rubin.cli.command import Arguments, Command
from rubin.cli.format_flags import flow_format_flags
from rubin.cli.redaction import FLAGS as REDACTION
from rubin.cli.redaction import defaults
from rubin.cli.selection import selector_flags
from rubin.cli.settings import GLOBAL, RAW_FILTERS
from rubin.words.filter_flags import filter_flags
from rubin.words.flags import Flag

_TEXT = """The flows of a file, named and filtered as the agent does it: a capture (pcap or pcapng, a flow a packet), or
flows as `rubin observe -o json` and Hubble print them. The content decides which it is; - is standard input."""


def command() -> Command:
    """The command."""
    mask = "Fields of a flow to print, e.g. source.pod_name,l4; for JSON."
    metrics = "Print, instead of the flows, what the agent would count of them; --metrics=METRICS says which."
    own = (
        Flag("names", "Names of addresses and networks, TOML, as for the agent.", default="", metavar="FILE"),
        Flag("metrics", metrics, default="", bare="default"),
        Flag("field-mask", mask, "list", (), metavar="PATH,..."),
        Flag("silent-errors", "Do not tell of lines that are passed over.", "yes", False, "s"),
    )
    selectors = tuple(flag for flag in selector_flags() if flag.name != "follow")
    flags = (*selectors, *filter_flags(), *RAW_FILTERS, *flow_format_flags(), *REDACTION, *own, *GLOBAL)
    summary = "Show the flows of a capture file or of saved Hubble JSON"
    return Command("replay", summary, flags, run, "FILE", 1, text=_TEXT, defaults=defaults)


def run(arguments: Arguments) -> int:
    """Print them. Raises RubinError where the file ends badly, after what is good of it."""
    from rubin.cli.replay_flows import run as replay

    return replay(arguments)

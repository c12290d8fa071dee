"""`rubin get WHO [--at TIME]`: who has an address, identity, process, container, pod, unit or service."""

from rubin.cli.command import Arguments, Command
from rubin.cli.settings import GLOBAL, SERVER
from rubin.errors import RubinError, UsageError
from rubin.words.flags import Flag

_OUTPUTS = ("json", "table", "wide")


def command() -> Command:
    """The command."""
    told = f"How to print: {', '.join(_OUTPUTS)}."
    output = Flag("output", told, "choice", "wide", "o", group="Format", metavar="FORMAT", values=_OUTPUTS)
    at = Flag("at", "Who it was at this time: as for observe --since.", default="", metavar="TIME")
    return Command(
        "get",
        "Say who has an address, identity, process or container, now or then",
        (at, output, *SERVER, *GLOBAL),
        run,
        "WHO",
        1,
    )


def run(arguments: Arguments) -> int:
    """Print who it is. Raises RubinError where nobody is."""
    import time

    from rubin.cli.output.endpoints import endpoints
    from rubin.cli.output.stdout import write
    from rubin.cli.server import ask
    from rubin.words.times import moment_ns

    if not arguments.words:
        raise UsageError("who is asked for is not said", "rubin get 10.0.0.1, or an identity, pid, pod or unit")
    who = arguments.words[0]
    time_ns = moment_ns("at", arguments["at"], time.time_ns()) if arguments["at"] else 0
    found = ask(arguments, lambda client: client.endpoints(who, time_ns))
    if not found:
        raise RubinError(f"nobody known is '{who}'", "rubin list endpoints shows all who are")
    write(endpoints(found, arguments["output"]))
    return 0

"""`rubin status`."""

from rubin.cli.command import Arguments, Command
from rubin.cli.settings import GLOBAL, SERVER
from rubin.errors import RubinError, UsageError
from rubin.words.flags import Flag

_OUTPUTS = {"JSON": "json", "jsonpb": "json", "tab": "table"} | {
    name: name for name in ("compact", "dict", "json", "table")
}
_NAMES = ("compact", "dict", "json", "table")


def command() -> Command:
    """The command."""
    outputs = f"How to print: {', '.join(_NAMES)}."
    output = Flag("output", outputs, default="compact", short="o", group="Format", metavar="FORMAT", values=_NAMES)
    text = (
        "How the server is: whether it answers, how many flows it holds; and of our own agent how complete the\n"
        "picture is: what the kernel offers, what was lost and where, what watching costs."
    )
    summary = "Show how the server is, and how complete its picture"
    return Command("status", summary, (output, *SERVER, *GLOBAL), run, text=text)


def run(arguments: Arguments) -> int:
    """Health, then Hubble's numbers, then ours. Raises RubinError where the server is not healthy."""
    from rubin.api.client import Client
    from rubin.cli.output import status as printed
    from rubin.cli.output.stdout import write
    from rubin.cli.server import ask

    output = _OUTPUTS.get(arguments["output"])
    if output is None:
        raise UsageError(f"output format '{arguments['output']}' does not exist", f"one of {', '.join(_NAMES)}")

    async def question(client: Client) -> None:
        health = await client.health()
        healthy = health == "SERVING"
        if output == "compact":
            write(f"Healthcheck (via {client.target.text}): {'Ok' if healthy else f'Unavailable: {health}'}\n")
        if not healthy:
            if output == "compact" and (own := await client.agent_status()):  # a relay knows what its nodes lack
                write(printed.report(own))
            raise RubinError("not healthy", "ask again shortly; the server's log says why")
        status = await client.status()
        if output == "json":
            write(printed.as_json(status, await client.agent_status()))
        elif output == "compact":
            write(printed.compact(status))
            write(printed.report(await client.agent_status()))
        else:
            write(printed.block(status) if output == "dict" else printed.table(status))

    ask(arguments, question)
    return 0

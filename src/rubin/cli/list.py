"""`rubin list nodes`, `rubin list namespaces` and `rubin list endpoints`."""

from rubin.cli.command import Arguments, Command
from rubin.cli.settings import GLOBAL, SERVER
from rubin.errors import RubinError
from rubin.words.flags import Flag

_OUTPUTS = ("json", "table", "wide")


def command() -> Command:
    """The command and the two below it."""
    told = f"How to print: {', '.join(_OUTPUTS)}."
    output = Flag("output", told, "choice", "table", "o", group="Format", metavar="FORMAT", values=_OUTPUTS)
    flags = (output, *SERVER, *GLOBAL)
    nodes = Command("nodes", "List the nodes that a relay knows", flags, run_nodes, aliases=("node",))
    namespaces = Command(
        "namespaces", "List the namespaces seen in the last hour", flags, run_namespaces, aliases=("namespace", "ns")
    )
    endpoints = Command(
        "endpoints", "List who is known: pods, containers, services, hosts", flags, run_endpoints, aliases=("endpoint",)
    )
    return Command("list", "List namespaces, nodes and endpoints", flags, commands=(nodes, namespaces, endpoints))


def run_nodes(arguments: Arguments) -> int:
    """Print the nodes by name."""
    from rubin.cli.output.lists import nodes
    from rubin.cli.output.stdout import write
    from rubin.cli.server import ask

    try:
        found = ask(arguments, lambda client: client.nodes())
    except RubinError as error:
        if "does not offer this" not in error.sentence:
            raise
        raise RubinError(error.sentence, "--server with the address of a relay") from error
    write(nodes(sorted(found, key=lambda node: node.name), arguments["output"]))
    return 0


def run_namespaces(arguments: Arguments) -> int:
    """Print the namespaces, in the server's order: by cluster, then by name."""
    from rubin.cli.output.lists import namespaces
    from rubin.cli.output.stdout import write
    from rubin.cli.server import ask

    write(namespaces(ask(arguments, lambda client: client.namespaces()), arguments["output"]))
    return 0


def run_endpoints(arguments: Arguments) -> int:
    """Print all endpoints that the agent is told of, by namespace and name."""
    from rubin.cli.output.endpoints import endpoints
    from rubin.cli.output.stdout import write
    from rubin.cli.server import ask

    write(endpoints(ask(arguments, lambda client: client.endpoints()), arguments["output"]))
    return 0

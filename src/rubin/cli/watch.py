"""`rubin watch peers`."""

from rubin.cli.command import Arguments, Command
from rubin.cli.settings import GLOBAL, SERVER


def command() -> Command:
    """The command and the one below it."""
    flags = (*SERVER, *GLOBAL)
    peers = Command("peers", "Watch the nodes that a server knows", flags, run_peers, aliases=("peer",))
    return Command("watch", "Watch the nodes that a server knows", flags, commands=(peers,))


def run_peers(arguments: Arguments) -> int:
    """Print each change as it comes; Ctrl-C is a good end."""
    from rubin.api.client import Client
    from rubin.cli.output.lists import peer
    from rubin.cli.output.stdout import write
    from rubin.cli.server import ask

    async def question(client: Client) -> None:
        async for change in client.peers():
            write(peer(change))

    try:
        ask(arguments, question)
    except KeyboardInterrupt:
        return 0
    return 0

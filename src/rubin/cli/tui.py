"""`rubin tui`: flows, requests, drops, services and names in the terminal, as they come."""

from __future__ import annotations

import sys

from rubin.cli.command import Arguments, Command
from rubin.cli.selection import WHEN
from rubin.cli.settings import GLOBAL, SERVER
from rubin.errors import UsageError
from rubin.words.filter_flags import filter_flags
from rubin.words.flags import Flag

_TEXT = """Flows, requests, drops, services and names on the whole screen of the terminal, as they come.

Filters are those of rubin observe, here and while it runs: / takes chips such as to-port=443, and a rubin observe or
hubble observe line as it is. ? shows the keys. NO_COLOR=1 turns colours off; glyphs and words say the same."""


def command() -> Command:
    """The command."""
    flags = (*_flags(), *filter_flags(), *SERVER, *GLOBAL)
    return Command("tui", "Look at flows, requests, drops and services in the terminal", flags, run, text=_TEXT)


def _flags() -> tuple[Flag, ...]:
    held = "How many flows to hold: 160 bytes each, and what was said in them."
    return (
        Flag("since", f"No older flows: {WHEN}.", "text", "", group="Selectors", metavar="TIME"),
        Flag("until", "No newer ones: as --since.", "text", "", group="Selectors", metavar="TIME"),
        Flag("hold", held, "number", 1_000_000, group="Selectors", metavar="N"),
        Flag("last", "Begin with the last N that the server holds.", "number", 100_000, group="Selectors", metavar="N"),
    )


def run(arguments: Arguments) -> int:
    """Until q."""
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise UsageError("rubin tui needs a terminal", "rubin observe --follow writes lines for anything else")
    if not arguments["hold"]:
        raise UsageError("--hold cannot be 0", "--hold 100000")

    from rubin.cli.server import client_settings
    from rubin.ui.feed import Feed
    from rubin.ui.terminal.app import TUI
    from rubin.ui.terminal.following import Following
    from rubin.ui.terminal.typed import made
    from rubin.words.terms import asked_by_given

    asked = asked_by_given(arguments.given)
    question = made(asked.terms, arguments["since"], arguments["until"])
    feed = Feed(client_settings(arguments), arguments["hold"], arguments["last"])
    with Following(feed) as following:
        TUI(feed, following, question).run()
    return 0

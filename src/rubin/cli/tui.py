"""`rubin tui`: flows, requests, drops, services and names in the terminal, as they come."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rubin.cli.command import Arguments, Command
from rubin.cli.selection import DEFAULT_NUMBER, WHEN
from rubin.cli.settings import GLOBAL, SERVER
from rubin.errors import UsageError
from rubin.words.filter_flags import filter_flags
from rubin.words.flags import Flag

if TYPE_CHECKING:
    from rubin.ui.feed import Feed
    from rubin.ui.terminal.outputs import Outputs
    from rubin.ui.terminal.typed import Question

VIEWS = ("flows", "conversations", "top", "drops", "services", "dns", "health")
_HELD = 100_000
_TEXT = """Flows, requests, drops, services and names on the whole screen of the terminal, as they come.

Filters are those of rubin observe, here and while it runs: / takes chips such as to-port=443, and a rubin observe or
hubble observe line as it is. ? shows the keys. NO_COLOR=1 turns colours off; glyphs and words say the same.

--plain prints a view as lines and ends, or goes on with --follow: for screen readers, pipes and terminals that can do
no more (TERM=dumb)."""


def command() -> Command:
    """The command."""
    flags = (*_flags(), *filter_flags(), *SERVER, *GLOBAL)
    return Command("tui", "Look at flows, requests, drops and services in the terminal", flags, run, text=_TEXT)


def _flags() -> tuple[Flag, ...]:
    held = "How many flows to hold: 160 bytes each, and what was said in them."
    last = f"Begin with the last N that the server holds; {_HELD:,} unless told, {DEFAULT_NUMBER} as lines."
    view = f"Begin with this one: {', '.join(VIEWS)}."
    return (
        Flag("since", f"No older flows: {WHEN}.", "text", "", group="Selectors", metavar="TIME"),
        Flag("until", "No newer ones: as --since.", "text", "", group="Selectors", metavar="TIME"),
        Flag("hold", held, "number", 1_000_000, group="Selectors", metavar="N"),
        Flag("last", last, "number", 0, group="Selectors", metavar="N"),
        Flag("view", view, "choice", VIEWS[0], group="Format", metavar="VIEW", values=VIEWS),
        Flag("plain", "Print lines, without colours and glyphs, and end.", "yes", False, group="Format"),
        Flag("follow", "With --plain: go on; the whole screen always does.", "yes", False, "f", group="Format"),
    )


def run(arguments: Arguments) -> int:
    """Until q; as lines until all are printed, or Ctrl-C."""
    is_plain = arguments["plain"] or os.environ.get("TERM") == "dumb"
    if not is_plain and not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise UsageError("rubin tui needs a terminal", "rubin tui --plain, or rubin observe: both print lines")
    if not arguments["hold"]:
        raise UsageError("--hold cannot be 0", "--hold 100000")

    from rubin.cli.server import client_settings
    from rubin.ui.feed import Feed
    from rubin.ui.terminal.typed import made
    from rubin.words.terms import asked_by_given

    asked = asked_by_given(arguments.given)
    question = made(asked.terms, arguments["since"], arguments["until"])
    is_few = is_plain and arguments["view"] == "flows"
    last = arguments["last"] or (DEFAULT_NUMBER if is_few else _HELD)
    feed = Feed(client_settings(arguments), arguments["hold"], last)
    if is_plain:
        return _print(arguments, feed, question, last)

    from rubin.ui.terminal.app import TUI
    from rubin.ui.terminal.following import Following

    with Following(feed) as following:
        TUI(feed, outputs(), following, question, first=arguments["view"]).run()
    return 0


def _print(arguments: Arguments, feed: Feed, question: Question, last: int) -> int:
    from rubin.cli.output.stdout import write
    from rubin.ui.terminal.plain import Plain

    def say(sentence: str) -> None:
        print(f"rubin: {sentence}", file=sys.stderr, flush=True)

    plain = Plain(feed, question, arguments["view"], outputs(), write, say)
    try:
        if arguments["follow"]:
            plain.follow()
        else:
            plain.once(last)
    except KeyboardInterrupt:
        return 0
    return 0


def outputs() -> Outputs:
    """What other commands print, for the views that show it."""
    from rubin.cli.output import lists, status, trace
    from rubin.ui.terminal.outputs import Outputs
    from rubin.words.text import Palette

    return Outputs(
        status.compact,
        lambda nodes: lists.nodes(nodes, "table"),
        status.report,
        lambda found: trace.text(found, "text", Palette(False)),
    )

"""The one table of keys: bindings, the help page, the palette and the line at the bottom are made from it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from textual.binding import Binding

EVERYWHERE = "Everywhere"
LINES = "Lines"
FLOWS = "Flows"
OTHERS = "Top, Services, DNS"


@dataclass(frozen=True, slots=True)
class Key:
    """`keys` as Textual calls them, joined by commas; `shown` as people do. `short`: the word at the bottom, ""."""

    keys: str
    shown: str
    action: str
    text: str
    group: str
    short: str = ""


KEYS = (
    Key("question_mark", "?", "help", "this page", EVERYWHERE, "help"),
    Key(
        "slash", "/", "filter", "change the filter; Tab completes, Enter takes it, Esc leaves it", EVERYWHERE, "filter"
    ),
    Key("colon,ctrl+k", ": Ctrl-K", "palette", "find a command by its name, or go to a link", EVERYWHERE, "command"),
    Key("u", "u", "undo", "the filter before this one", EVERYWHERE),
    Key("1", "1  g f", "go('flows')", "the flows, as they come", EVERYWHERE),
    Key("2,t", "2  t", "go('top')", "the requests put together: busiest, slowest, failing", EVERYWHERE, "top"),
    Key(
        "3,d",
        "3  d  g d",
        "go('drops')",
        "what was dropped, put together by reason and whom it met",
        EVERYWHERE,
        "drops",
    ),
    Key("4", "4  g s", "go('services')", "the services: requests, errors, latency", EVERYWHERE),
    Key("5", "5  g n", "go('dns')", "the names that were asked for", EVERYWHERE),
    Key("g", "g …", "prefix('g')", "go: g f, g d, g s, g n; g g is the first line", EVERYWHERE),
    Key("escape", "Esc", "up", "close what is open; then back to the flows", EVERYWHERE),
    Key("q,ctrl+c", "q", "quit", "leave", EVERYWHERE, "quit"),
    Key("j,down", "j ↓", "move(1)", "down a line", LINES),
    Key("k,up", "k ↑", "move(-1)", "up a line", LINES),
    Key("pagedown,ctrl+f", "PgDn", "page(1)", "down a page", LINES),
    Key("pageup,ctrl+b", "PgUp", "page(-1)", "up a page", LINES),
    Key("home", "Home  g g", "first", "the first line", LINES),
    Key("G,end", "G End", "follow", "the last line, and follow what comes", LINES),
    Key("enter,l,right", "Enter", "open", "open the line: the flow in full, or the flows behind it", LINES, "open"),
    Key("h,left", "h ←", "close", "close the flow again", LINES),
    Key("e", "e", "explain", "why: what became of it and what to try", LINES, "explain"),
    Key("space", "Space", "pause", "hold the picture; counting goes on", FLOWS, "pause"),
    Key("full_stop", ".", "follow", "now: follow again", FLOWS),
    Key("exclamation_mark", "!", "abnormal", "only what went wrong", FLOWS, "wrong"),
    Key("c", "c", "conversations", "both directions of a connection as one line", FLOWS),
    Key("o", "o", "only", "only flows with a value of this one (choose it in the open flow)", FLOWS),
    Key("x", "x", "exclude", "no flows with a value of this one", FLOWS),
    Key("left_square_bracket", "[", "step(-10)", "ten seconds back", FLOWS),
    Key("right_square_bracket", "]", "step(10)", "ten seconds on", FLOWS),
    Key("left_curly_bracket", "{", "event(-1)", "to the drop, error or loss before", FLOWS),
    Key("right_curly_bracket", "}", "event(1)", "to the next one", FLOWS),
    Key("y", "y …", "prefix('y')", "copy: y c the command, y l the link of this view, y j the flow as JSON", FLOWS),
    Key("s", "s", "sort", "the next order: busiest, slowest, failing", OTHERS),
    Key("b", "b", "by", "put together by another thing (Top)", OTHERS),
)

SECOND = {
    "g": {
        "f": "go('flows')",
        "t": "go('top')",
        "d": "go('drops')",
        "s": "go('services')",
        "n": "go('dns')",
        "g": "first",
    },
    "y": {"c": "copy('command')", "l": "copy('link')", "j": "copy('json')"},
}
"""What the letter after a first one does."""


def bindings() -> list[Binding | tuple[str, str] | tuple[str, str, str]]:
    """As Textual takes them. None counts while a text is typed."""
    return [Binding(key.keys, key.action, key.text, show=False, priority=False) for key in KEYS]


def help_lines() -> Iterator[str]:
    """The help page, by group."""
    for group in dict.fromkeys(key.group for key in KEYS):
        yield group
        yield from (f"  {key.shown:<10} {key.text}" for key in KEYS if key.group == group)
        yield ""


def hints(width: int, keys: Iterable[Key] = KEYS) -> str:
    """The line at the bottom: as many keys as fit."""
    told = ""
    for key in keys:
        if key.short:
            more = f"{key.shown.split()[0]} {key.short}"
            if len(told) + len(more) + 2 > width:
                break
            told += f"{'  ' if told else ''}{more}"
    return told

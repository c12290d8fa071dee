"""The one table of keys: bindings, the help page, the palette and the line at the bottom are made from it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from textual.binding import Binding

EVERYWHERE = "Everywhere"
LINES = "Lines"
FLOWS = "Flows"
OTHERS = "Top, Services, DNS"
_OF_FLOWS = ("flows", "conversations")
_OF_REQUESTS = ("top", "services")


@dataclass(frozen=True, slots=True)
class Key:
    """`keys` as Textual calls them, joined by commas; `shown` as people do. `hint`: what the line at the bottom says in
    these `views`, () is in all; "" is nothing.
    """

    keys: str
    shown: str
    action: str
    text: str
    group: str
    hint: str = ""
    views: tuple[str, ...] = ()


KEYS = (
    Key("question_mark", "?", "help", "this page", EVERYWHERE, "? help"),
    Key(
        "slash",
        "/",
        "filter",
        "change the filter; Tab completes, Enter takes it, Esc leaves it",
        EVERYWHERE,
        "/ filter",
    ),
    Key("colon,ctrl+k", ": Ctrl-K", "palette", "find a command by its name, or go to a link", EVERYWHERE),
    Key("u", "u", "undo", "the filter before this one", EVERYWHERE),
    Key("1", "1  g f", "go('flows')", "the flows, as they come", EVERYWHERE, "1-6 views"),
    Key("2,t", "2  t", "go('top')", "the requests put together: busiest, slowest, failing", EVERYWHERE),
    Key("3,d", "3  d  g d", "go('drops')", "what was dropped, put together by reason and whom it met", EVERYWHERE),
    Key("4", "4  g s", "go('services')", "the services: requests, errors, latency", EVERYWHERE),
    Key("5", "5  g n", "go('dns')", "the names that were asked for", EVERYWHERE),
    Key("6", "6  g h", "go('health')", "whether all is seen: the server, its nodes, losses, cost", EVERYWHERE),
    Key("g", "g …", "prefix('g')", "go: g f, g d, g s, g n, g h; g g is the first line", EVERYWHERE),
    Key("escape", "Esc", "up", "close what is open; then back to the flows", EVERYWHERE),
    Key("q,ctrl+c", "q", "quit", "leave", EVERYWHERE, "q quit"),
    Key("j,down", "j ↓", "move(1)", "down a line", LINES),
    Key("k,up", "k ↑", "move(-1)", "up a line", LINES),
    Key("pagedown,ctrl+f", "PgDn", "page(1)", "down a page", LINES),
    Key("pageup,ctrl+b", "PgUp", "page(-1)", "up a page", LINES),
    Key("home", "Home  g g", "first", "the first line", LINES),
    Key("G,end", "G End", "follow", "the last line, and follow what comes", LINES),
    Key(
        "enter,l,right",
        "Enter",
        "open",
        "open the line: the flow in full, or the flows behind it",
        LINES,
        "Enter open",
        (*_OF_FLOWS, *_OF_REQUESTS, "drops", "dns"),
    ),
    Key("h,left", "h ←", "close", "close the flow again", LINES),
    Key("e", "e", "explain", "why: what became of it and what to try", LINES, "e explain", (*_OF_FLOWS, "drops")),
    Key("r", "r", "request", "the request and its answer in full", FLOWS, "r request", _OF_FLOWS),
    Key("space", "Space", "pause", "hold the picture; counting goes on", FLOWS, "Space pause"),
    Key("full_stop", ".", "follow", "now: follow again", FLOWS),
    Key("exclamation_mark", "!", "abnormal", "only what went wrong", FLOWS, "! wrong", _OF_FLOWS),
    Key("c", "c", "conversations", "both directions of a connection as one line", FLOWS, "c connections", _OF_FLOWS),
    Key("o", "o", "only", "only flows with a value of this one (choose it in the open flow)", FLOWS),
    Key("x", "x", "exclude", "no flows with a value of this one", FLOWS),
    Key("left_square_bracket", "[", "step(-10)", "ten seconds back", FLOWS),
    Key("right_square_bracket", "]", "step(10)", "ten seconds on", FLOWS, "[ ] time", _OF_FLOWS),
    Key("left_curly_bracket", "{", "event(-1)", "to the drop, error or loss before", FLOWS),
    Key("right_curly_bracket", "}", "event(1)", "to the next one", FLOWS, "{ } events", _OF_FLOWS),
    Key("y", "y …", "prefix('y')", "copy: y c the command, y l the view's link, y j the flow's JSON", FLOWS),
    Key("s", "s", "sort", "the next order: busiest, slowest, failing", OTHERS, "s sort", _OF_REQUESTS),
    Key("b", "b", "by", "put together by another thing (Top)", OTHERS, "b by", ("top",)),
)

ACTIONS = {name: key.action for key in KEYS for name in key.keys.split(",")}
"""By the names of the keys."""

SECOND = {
    "g": {
        "f": "go('flows')",
        "t": "go('top')",
        "d": "go('drops')",
        "s": "go('services')",
        "n": "go('dns')",
        "h": "go('health')",
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


def hints(width: int, view: str, keys: Iterable[Key] = KEYS) -> str:
    """The line at the bottom of a view: those of its keys that fit."""
    told = ""
    for key in keys:
        if key.hint and (not key.views or view in key.views):
            more = f"{'  ' if told else ''}{key.hint}"
            told += more if len(told) + len(more) <= width else ""
    return told

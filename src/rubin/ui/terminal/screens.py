"""What lies over the views for a while: a page of text, the letters that may follow one, the palette."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.events import Key as KeyPress
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.scroll_view import ScrollView
from textual.strip import Strip

from rubin.ui.terminal.bar import Bar
from rubin.ui.terminal.keys import KEYS
from rubin.ui.terminal.looks import DIM, HEAD, PLAIN, STRONG, Cell, fitted
from rubin.ui.terminal.wrapping import wrapped


class Page(ScrollView):
    """Lines of text, broken where the screen ends."""

    can_focus = True
    DEFAULT_CSS = """
    Page {
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        background: ansi_default;
    }
    """

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__()
        self.text = lines
        self._lines: list[tuple[str, bool]] = []

    def on_resize(self) -> None:
        """Break the lines anew."""
        width = max(20, self.size.width - 2)
        self._lines = [
            (part, bool(text) and not text.startswith(" ")) for text in self.text for part in wrapped(text, width)
        ]
        self.virtual_size = Size(0, len(self._lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Titles are underlined."""
        at = self.scroll_offset.y + y
        text, is_title = self._lines[at] if at < len(self._lines) else ("", False)
        width = self.size.width
        if is_title:
            return Strip([Segment(text, HEAD)]).adjust_cell_length(width)
        return Strip([Segment(fitted(text, width), PLAIN)], width)


class PageScreen(ModalScreen[None]):
    """A page over the whole screen, left with Esc, q or Enter. Lines that do not begin with a blank are titles."""

    BINDINGS: ClassVar = [
        Binding("escape,q,enter,question_mark,e,r", "dismiss", show=False),
        Binding("j", "roll(1)", show=False),
        Binding("k", "roll(-1)", show=False),
        Binding("space", "roll(10)", show=False),
    ]

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        super().__init__()
        self._title, self._page = title, Page(lines)

    def compose(self) -> ComposeResult:
        """The title, the text, how to leave."""
        yield Bar("page-title")
        yield self._page
        yield Bar("page-keys")

    def on_mount(self) -> None:
        """Fill the lines around it."""
        self.query_one("#page-title", Bar).show([Cell(f" {self._title}", STRONG)])
        self.query_one("#page-keys", Bar).show([Cell(" Esc back  j k PgUp PgDn move", DIM)])
        self._page.focus()

    def action_roll(self, lines: int) -> None:
        """Up or down."""
        self._page.scroll_relative(y=lines, animate=False)

    @property
    def lines(self) -> Sequence[str]:
        """The text."""
        return self._page.text


class SecondKey(ModalScreen[str]):
    """Waits for the letter that follows another one; gives the action that it means, "" for none."""

    CSS = "SecondKey { background: transparent; align: left bottom; }"

    def __init__(self, first: str, choices: Mapping[str, str]) -> None:
        super().__init__()
        self._first, self._choices, self._is_done = first, choices, False

    def compose(self) -> ComposeResult:
        """The choices."""
        yield Bar("second")

    def on_mount(self) -> None:
        """Say them."""
        told = "  ".join(f"{self._first} {letter} {_plain(action)}" for letter, action in self._choices.items())
        self.query_one(Bar).show([Cell(f" {told}", STRONG)])

    def on_key(self, event: KeyPress) -> None:
        """Whatever is typed first ends it."""
        event.stop()
        if not self._is_done:
            self._is_done = True
            self.dismiss(self._choices.get(event.character or "", ""))


def _plain(action: str) -> str:
    """`go('flows')` is `flows`."""
    name, _, rest = action.partition("(")
    return rest.strip("')") or name


class Commands(Provider):
    """All keys by what they do; and whatever is a link."""

    async def discover(self) -> Hits:
        """Everything."""
        for key in KEYS:
            yield DiscoveryHit(key.text, partial(self.app.run_action, f"app.{key.action}"), help=key.shown)

    async def search(self, query: str) -> Hits:
        """What is like the words that were typed."""
        if "?" in query and "/" in query:
            yield Hit(
                1.0, "go to this link", partial(self.app.run_action, f"app.link({query!r})"), help="the same view"
            )
        matcher = self.matcher(query)
        for key in KEYS:
            score = matcher.match(key.text)
            if score > 0:
                yield Hit(
                    score,
                    matcher.highlight(key.text),
                    partial(self.app.run_action, f"app.{key.action}"),
                    help=key.shown,
                )

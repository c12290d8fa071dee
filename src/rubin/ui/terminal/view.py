"""Lines with a heading and a chosen one, drawn line by line: the table that keeps up with what comes.

No scroll view of Textual's: with one, each new line would lay the screen out anew and draw a scrollbar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.events import Click
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from rubin.ui.terminal.looks import CHOSEN, DIM, PLAIN, Cell, Column, heading, line, strip

_HEADING = 1
_WHEEL = 3


class LineView(Widget):
    """`count` lines under a heading. Who inherits says how many there are and what stands in them.

    `top` is the first line that is seen. While `is_following`, the last line is the chosen one and stays in sight.
    """

    can_focus = True
    DEFAULT_CSS = """
    LineView { background: ansi_default; }
    """

    @dataclass
    class Opened(Message):
        """The chosen line was opened."""

        view: LineView

    @dataclass
    class Moved(Message):
        """Another line was chosen."""

        view: LineView

    columns: tuple[Column, ...] = ()

    def __init__(self, id: str) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self.chosen = self.top = 0
        self.is_following = False
        self.empty_lines: tuple[str, ...] = ()
        """What stands in place of lines where there are none."""

    # --- for who inherits

    @property
    def count(self) -> int:
        """How many lines there are."""
        return 0

    def cells(self, first: int, end: int) -> Sequence[Sequence[Cell]]:
        """What stands in the lines from `first` to before `end`."""
        raise NotImplementedError

    # --- what happens

    def changed(self, gone: int = 0) -> None:
        """The lines are others now; `gone`: so many have left at the front."""
        self.chosen -= gone
        self.top -= gone
        self._place()
        self.refresh()

    def choose(self, at: int) -> None:
        """Choose a line, and bring it into sight."""
        self.is_following = False
        self.chosen = at
        self._place()
        self.refresh()
        self.post_message(self.Moved(self))

    def _place(self) -> None:
        """The chosen line is one that there is, and in sight."""
        last = max(0, self.count - 1)
        self.chosen = last if self.is_following else max(0, min(self.chosen, last))
        lowest = max(0, self.count - self.page)
        self.top = max(0, min(self.top, lowest, self.chosen), self.chosen - self.page + 1)

    @property
    def page(self) -> int:
        """How many lines are seen at once."""
        return max(1, self.size.height - _HEADING)

    @property
    def place(self) -> str:
        """`4,980 of 5,000`; "" where there is nothing."""
        return f"{self.chosen + 1:,} of {self.count:,}" if self.count else ""

    def on_resize(self) -> None:
        """The chosen line stays in sight."""
        self._place()
        self.refresh()

    def on_click(self, event: Click) -> None:
        """Choose what was clicked; open what is chosen already."""
        at = self.top + event.y - _HEADING
        if event.y < _HEADING or at >= self.count:
            return
        if at == self.chosen and not self.is_following:
            self.post_message(self.Opened(self))
        else:
            self.choose(at)

    def on_mouse_scroll_up(self) -> None:
        """Up by some lines."""
        self.choose(self.chosen - _WHEEL)

    def on_mouse_scroll_down(self) -> None:
        """Down by some lines."""
        self.choose(self.chosen + _WHEEL)

    # --- drawing

    def render_line(self, y: int) -> Strip:
        """The heading, a line, or what is said where there are none."""
        width = self.size.width
        if y == 0:
            return heading(self.columns, width)
        if not self.count:
            told = self.empty_lines[y - 2] if 2 <= y < len(self.empty_lines) + 2 else ""
            return line(f"  {told}", width, PLAIN if y == 2 else DIM)
        at = self.top + y - _HEADING
        if at >= self.count:
            return Strip.blank(width)
        return strip(self._seen(at), self.columns, width, CHOSEN if at == self.chosen else None)

    def in_sight(self, at: int) -> tuple[int, int]:
        """The lines that are drawn with this one, to be made at once: the first, and the one after the last."""
        return min(at, self.top), min(self.count, max(at + 1, self.top + self.page))

    def _seen(self, at: int) -> Sequence[Cell]:
        (cells,) = self.cells(at, at + 1)
        return cells

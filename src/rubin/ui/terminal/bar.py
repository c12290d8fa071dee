"""A line of the screen with something to the left and something to the right."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from rubin.ui.terminal.looks import Cell, fitted

_GAP = 2


class Bar(Widget):
    """One line. Where there is no room for both, the left is cut if `right_first`, else the right; a … says so."""

    DEFAULT_CSS = """
    Bar {
        height: 1;
        background: ansi_default;
    }
    """

    def __init__(self, id: str, right_first: bool = False) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._right_first = right_first
        self._left: tuple[Cell, ...] = ()
        self._right: tuple[Cell, ...] = ()

    def show(self, left: Sequence[Cell], right: Sequence[Cell] = ()) -> None:
        """Other texts; the same ones are not drawn again."""
        told = tuple(left), tuple(right)
        if told != (self._left, self._right):
            self._left, self._right = told
            self.refresh()

    @property
    def text(self) -> str:
        """What stands in it."""
        return "".join(cell.text for cell in (*self._left, *self._right))

    def render_line(self, y: int) -> Strip:
        """The line."""
        width = self.size.width
        left = sum(cell_len(cell.text) for cell in self._left)
        right = sum(cell_len(cell.text) for cell in self._right)
        if y or not width:
            return Strip.blank(width)
        if right and not self._right_first and left + _GAP + right > width:
            room = max(0, width - left - _GAP)
            return _line(self._left, (Cell(fitted("".join(cell.text for cell in self._right), room)),), width, room)
        return _line(self._left, self._right, width, right)


def _line(left: Sequence[Cell], right: Sequence[Cell], width: int, size: int) -> Strip:
    """`size`: of the right, in cells."""
    gap = 1 if 0 < size < width else 0
    segments, room = [], max(0, width - size - gap)
    for cell in left:
        text = fitted(cell.text, room) if cell_len(cell.text) > room else cell.text
        segments.append(Segment(text, cell.style))
        room -= cell_len(text)
    last = [Segment(cell.text, cell.style) for cell in right] if size else []
    return Strip([*segments, Segment(" " * (room + gap)), *last])

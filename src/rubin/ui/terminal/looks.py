"""How things look in a terminal: a glyph and a word for each verdict, sixteen colours, cells of a width.

Glyph and word carry the meaning; colours only repeat it, so that nothing is lost without them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from rubin.model.enums import Verdict

PLAIN = Style()
HEAD = Style(bold=True, underline=True)
DIM = Style(dim=True)
STRONG = Style(bold=True)
CHOSEN = Style(reverse=True)
BAD = Style(color="red", bold=True)
GOOD = Style(color="blue")
NOTABLE = Style(color="yellow")
WRONG = Style(color="magenta", bold=True)
ADDRESS = Style(color="cyan")


@dataclass(frozen=True, slots=True)
class Look:
    """Of a verdict: `⊘`, a short word for narrow terminals, the colour."""

    glyph: str
    word: str
    style: Style


LOOKS: dict[int, Look] = {
    Verdict.VERDICT_UNKNOWN: Look("?", "unkn", DIM),
    Verdict.FORWARDED: Look("→", "fwd", GOOD),
    Verdict.DROPPED: Look("⊘", "DROP", BAD),
    Verdict.ERROR: Look("!", "ERR", WRONG),
    Verdict.AUDIT: Look("◇", "audit", NOTABLE),
    Verdict.REDIRECTED: Look("⇥", "redir", GOOD),
    Verdict.TRACED: Look("?", "trace", DIM),
    Verdict.TRANSLATED: Look("⇥", "xlate", GOOD),
}
LOST = Look("▒", "LOST", NOTABLE)


def look(verdict: int) -> Look:
    """Of a verdict's number; one that is not known looks so."""
    return LOOKS.get(verdict, LOOKS[Verdict.VERDICT_UNKNOWN])


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with its style."""

    text: str
    style: Style = PLAIN


_NOTHING = Cell("")


@dataclass(frozen=True, slots=True)
class Column:
    """`width` cells at least; of what is left over, columns with a `share` get theirs. Numbers stand to the right.

    On terminals narrower than `from_width` the column is left out. Of hosts the port stays in sight.
    """

    title: str
    width: int
    share: int = 0
    is_number: bool = False
    from_width: int = 0
    is_host: bool = False


_TELLING, _END = 10, 3  # cells of a name from which its end is shown, and how many of them


def fitted(text: str, width: int, is_number: bool = False) -> str:
    """The text in exactly `width` cells, its end left out where it is longer; wide characters count twice."""
    size = cell_len(text)
    if size > width:
        return set_cell_size(text, width - 1) + "…" if width > 1 else set_cell_size(text, width)
    return " " * (width - size) + text if is_number else text + " " * (width - size)


def fitted_host(text: str, width: int) -> str:
    """`default/app…x7z:8080`: as `fitted`, but what is left out lies within the name: its end tells replicas apart, and
    the port stays.
    """
    name, colon, port = text.rpartition(":")
    if cell_len(text) <= width or not colon or not port.isdigit() or len(port) + 4 > width:
        name, port = text, ""
    else:
        port = f":{port}"
    room = width - len(port)
    if cell_len(name) > room >= _TELLING:
        end = name[-_END:] if cell_len(name[-_END:]) == _END else ""
        name = fitted(name, room - len(end)) + end
    return fitted(name, room) + port


@lru_cache(256)
def layout(columns: tuple[Column, ...], width: int) -> list[tuple[int, Column, int]]:
    """(place, column, width) of the columns that are shown, with one cell between any two."""
    shown = [(at, column) for at, column in enumerate(columns) if column.from_width <= width]
    left = max(0, width - sum(column.width for _, column in shown) - (len(shown) - 1))
    shares = sum(column.share for _, column in shown)
    made = []
    for at, column in shown:
        more = left * column.share // shares if column.share else 0
        left, shares = left - more, shares - column.share  # what does not divide goes to those that follow
        made.append((at, column, column.width + more))
    return made


def strip(cells: Sequence[Cell], columns: tuple[Column, ...], width: int, over: Style | None = None) -> Strip:
    """A line of `width` cells; `over` lies over all of it (the chosen line)."""
    segments, left = [], width
    for at, column, size in layout(columns, width):
        cell = cells[at] if at < len(cells) else _NOTHING
        size = min(size, left)
        if size <= 0:
            break
        text = fitted_host(cell.text, size) if column.is_host else fitted(cell.text, size, column.is_number)
        left -= size
        if left > 0:
            text, left = text + " ", left - 1
        segments.append(Segment(text, cell.style + over if over else cell.style))
    if left > 0:
        segments.append(Segment(" " * left, over))
    return Strip(segments, width)


def heading(columns: tuple[Column, ...], width: int) -> Strip:
    """The line of the titles."""
    return strip([Cell(column.title, HEAD) for column in columns], columns, width)


def line(text: str, width: int, style: Style = PLAIN) -> Strip:
    """One text over the whole width."""
    return Strip([Segment(fitted(text, width), style)], width)


_BARS = " ▁▂▃▄▅▆▇█"


def bars(counts: Iterable[float]) -> str:
    """`▁▂█`: one character a number, as high as it is beside the greatest; a blank is none."""
    numbers = list(counts)
    most = max(numbers, default=0)
    if most <= 0:
        return " " * len(numbers)
    return "".join(_BARS[0 if not each else max(1, round(8 * each / most))] for each in numbers)

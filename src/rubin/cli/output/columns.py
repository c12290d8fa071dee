"""Rows of cells, aligned as Go's tabwriter does it: at least 2 wide, 3 blanks between."""

from collections.abc import Sequence

_PADDING, _LEAST = 3, 2


def align(rows: Sequence[Sequence[str]]) -> str:
    """The rows as lines; the last cell of a row is not padded. Rows have the same number of cells."""
    if not rows:
        return ""
    widths = [max(_LEAST, max(map(len, cells)) + _PADDING) for cells in zip(*rows, strict=True)]
    lines = ("".join(map(str.ljust, row[:-1], widths)) + row[-1] for row in rows)
    return "\n".join(lines) + "\n"

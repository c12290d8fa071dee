"""Texts broken into lines of a width."""

from collections.abc import Iterator

from rich.cells import cell_len, chop_cells


def wrapped(text: str, width: int) -> Iterator[str]:
    """Lines of at most `width` cells, broken between words; what follows is set in as far as the first one."""
    if cell_len(text) <= width:
        yield text
        return
    indent = " " * min(len(text) - len(text.lstrip(" ")), width // 2)
    line = indent
    for word in text.split():
        room = width - cell_len(indent)
        for part in chop_cells(word, room) if cell_len(word) > room else [word]:
            if line.strip() and cell_len(line) + 1 + cell_len(part) > width:
                yield line
                line = indent
            line += f" {part}" if line.strip() else part
    yield line

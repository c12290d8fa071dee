"""Texts broken into lines of a width."""

import re
from collections.abc import Iterator

from rich.cells import cell_len, chop_cells

_TITLE = re.compile(r" *\S(?:.{0,24}?\S)? {2,}(?=\S)")


def wrapped(text: str, width: int) -> Iterator[str]:
    """Lines of at most `width` cells, broken between words; what follows is set in as far as the first one, or as the
    value behind a title, from which two blanks part it.
    """
    if cell_len(text) <= width:
        yield text
        return
    title = _TITLE.match(text)
    first = title[0] if title and cell_len(title[0]) <= width // 2 else ""
    first = first or " " * min(len(text) - len(text.lstrip(" ")), width // 2)
    indent = " " * cell_len(first)
    room = width - len(indent)
    line, is_begun = first, False
    for word in text[len(title[0]) if title and title[0] == first else 0 :].split():
        for part in chop_cells(word, room) if cell_len(word) > room else [word]:
            if is_begun and cell_len(line) + 1 + cell_len(part) > width:
                yield line
                line, is_begun = indent, False
            line, is_begun = f"{line} {part}" if is_begun else line + part, True
    yield line

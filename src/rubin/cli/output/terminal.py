"""Whether standard output has colours."""

import os
import sys
from typing import TextIO

from rubin.errors import UsageError
from rubin.words.text import Palette

WHEN = ("auto", "always", "never")


def palette(when: str, stream: TextIO | None = None) -> Palette:
    """Colours as asked: `always`, `never`, or `auto`: where standard output (or the stream) is a
    terminal, unless NO_COLOR is set.

    Raises UsageError for another word.
    """
    if when.lower() not in WHEN:
        raise UsageError(f"--color cannot be '{when}'", "one of " + ", ".join(WHEN))
    if when.lower() == "auto":
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return Palette((stream or sys.stdout).isatty() and not plain)
    return Palette(when.lower() == "always")

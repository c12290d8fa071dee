"""Standard output, whatever the locale."""

import sys


def write(text: str) -> None:
    """Print the text at once, as UTF-8; what is no text in it, as a backslash escape."""
    if text:
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
        sys.stdout.buffer.flush()

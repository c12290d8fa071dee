"""Texts fit for a terminal: foreign control characters escaped, our own colours added."""

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_ESCAPED = {"\x1b": "^[", "\r": "\\r", "\n": "\\n", "\t": "\\t"}


def clean(text: str) -> str:
    """The text without control characters, as Hubble escapes them (ESC is `^[`).

    Beyond Hubble: line feeds, tabs, C1 controls and marks that turn the direction of writing, with
    which a name could forge lines or columns.
    """
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub(lambda match: _ESCAPED.get(match[0]) or _coded(match[0]), text)


def _coded(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


class Palette:
    """Hubble's colours, or none. Each method gives the text with its colour."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def _paint(self, code: int, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.enabled else text

    def host(self, text: str) -> str:
        """Cyan."""
        return self._paint(36, text)

    def port(self, text: str) -> str:
        """Yellow."""
        return self._paint(33, text)

    def identity(self, text: str) -> str:
        """Magenta."""
        return self._paint(35, text)

    def good(self, text: str) -> str:
        """Green: forwarded, authenticated."""
        return self._paint(32, text)

    def bad(self, text: str) -> str:
        """Red: dropped."""
        return self._paint(31, text)

    def notable(self, text: str) -> str:
        """Yellow: audited, traced, translated."""
        return self._paint(33, text)

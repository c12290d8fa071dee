"""Colours where they are wanted, foreign control characters nowhere."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.cli.output.terminal import palette
from rubin.errors import UsageError
from rubin.words.text import clean


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


COLOURED = [
    ("always", io.StringIO(), {}, True),
    ("Always", io.StringIO(), {"NO_COLOR": "1"}, True),
    ("never", Terminal(), {}, False),
    ("auto", Terminal(), {}, True),
    ("auto", io.StringIO(), {}, False),
    ("auto", Terminal(), {"NO_COLOR": "1"}, False),
    ("auto", Terminal(), {"NO_COLOR": ""}, True),
    ("auto", Terminal(), {"TERM": "dumb"}, False),
]


@pytest.mark.parametrize(("when", "stream", "environ", "coloured"), COLOURED)
def test_colours_come_when_they_are_wanted(
    monkeypatch: pytest.MonkeyPatch, when: str, stream: io.StringIO, environ: dict[str, str], coloured: bool
) -> None:
    for name, value in ({"NO_COLOR": "", "TERM": "xterm"} | environ).items():
        monkeypatch.setenv(name, value)
    assert palette(when, stream).enabled == coloured


def test_another_word_is_refused() -> None:
    with pytest.raises(UsageError, match="--color cannot be 'sometimes'"):
        palette("sometimes")


CLEAN = [
    ("plain", "plain"),
    ("grün, 日本", "grün, 日本"),
    ("\x1b[31mred\x1b[0m", "^[[31mred^[[0m"),
    ("a\rb\nc\td", "a\\rb\\nc\\td"),
    ("\x07\x9b2J\x7f", "\\x07\\x9b2J\\x7f"),
    ("\u202eevil\u2066", "\\u202eevil\\u2066"),
]


@pytest.mark.parametrize(("text", "cleaned"), CLEAN)
def test_control_characters_are_escaped(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(st.text())
def test_nothing_that_moves_a_cursor_is_left(text: str) -> None:
    assert not any(ord(one) < 32 or 0x7F <= ord(one) < 0xA0 for one in clean(text))
    assert clean(clean(text)) == clean(text)

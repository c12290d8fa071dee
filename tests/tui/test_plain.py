"""Views as lines: once and followed, with the same filters, and nothing in them but text."""

import os
import pty
import re
import signal
import subprocess
import sys

import pytest

from rubin.cli.main import main
from rubin.cli.tui import VIEWS, command
from rubin.store.ring import Ring
from rubin.ui.terminal.picture import TITLES
from tests.api.serving import serving
from tests.asked import TIMES, shop
from tests.cli.running import ENVIRON
from tests.tui.looking import batch, check
from tests.tui.test_hostile import CONTROL, NAMES, named
from tests.tui.test_terminal import START
from tests.waiting import wait_for

_GLYPHS = re.compile("[⊘→←◇⇥▒▁-█]")
_OF_NOW = re.compile(r"[A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d, |(?<=Flows/s: )[\d.]+")


@pytest.fixture
def lines(tmp_path, capfdbinary):
    """Calls it on a server of a ring, and gives what it printed."""

    def printed(ring, *words):
        with serving(ring, tmp_path):
            code = main(["tui", "--plain", "--server", f"unix://{tmp_path}/s", *words])
        out, err = capfdbinary.readouterr()
        assert (code, err) == (0, b"")
        return out.decode()

    return printed


def ring_of(*batches):
    ring = Ring()
    for one in batches:
        ring.append(one)
    return ring


@pytest.mark.parametrize("view", [view for view in VIEWS if view != "flows"])
def test_each_view_is_a_heading_and_its_lines(view, lines):
    text = lines(shop(), "--view", view, *TIMES)
    assert not _GLYPHS.search(text)
    assert not CONTROL.search(text.replace("\n", ""))
    check(f"plain_{view}", _OF_NOW.sub("", text))


def test_flows_are_lines_of_their_own(lines):
    check("plain_flows", lines(ring_of(batch())))


def test_the_views_are_those_of_the_whole_screen():
    assert tuple(TITLES) == VIEWS


FILTERS = [(("--verdict", "DROPPED"), 2), (("--not", "--verdict", "DROPPED"), 6), (("--to-pod", "shop/pay"), 4),
           (("--last", "3"), 3), (("--last", "1", "--verdict", "AUDIT"), 1), (("--since", "1s"), 0)]  # fmt: skip


@pytest.mark.parametrize(("words", "count"), FILTERS)
def test_filters_and_times_are_those_of_observe(words, count, lines):
    text = lines(ring_of(batch()), *words)
    assert len(text.splitlines()) == count or (count == 0 and text == "no flows\n")


def test_drops_are_filtered_too(lines):
    assert "data/orders" in lines(ring_of(batch()), "--view", "drops")
    assert "0 lines" in lines(ring_of(batch()), "--view", "drops", "--to-port", "1")


@pytest.mark.parametrize("name", NAMES, ids=[repr(name)[:20] for name in NAMES])
def test_names_from_the_network_forge_no_line(name, lines):
    flows = lines(ring_of(named(name)))
    assert len(flows.splitlines()) == 1
    drops = lines(ring_of(named(name)), "--view", "drops")
    assert len(drops.splitlines()) == 3
    assert not CONTROL.search((flows + drops).replace("\n", ""))


def test_a_server_that_is_not_there_is_a_sentence_and_a_way_on(tmp_path, capfd):
    assert main(["tui", "--plain", "--server", f"unix://{tmp_path}/nobody"]) != 0
    assert "there is no socket" in capfd.readouterr().err


def test_colours_and_screens_are_asked_for_by_nobody(lines):
    assert "\x1b" not in lines(shop(), "--view", "services", *TIMES)


def test_a_terminal_that_can_do_no_more_gets_lines_unasked(tmp_path):
    ours, its = pty.openpty()
    with serving(ring_of(batch()), tmp_path), os.fdopen(ours, "rb") as told, os.fdopen(its, "wb") as terminal:
        words = [sys.executable, "-c", START, "--server", f"unix://{tmp_path}/s"]
        process = subprocess.Popen(
            words, env={**ENVIRON, "TERM": "dumb"}, stdin=terminal, stdout=terminal, stderr=terminal
        )
        assert process.wait(60) == 0
        text = os.read(told.fileno(), 1 << 16).decode()
    assert len(text.splitlines()) == 8
    assert "\x1b" not in text


class _Followed:
    """`rubin tui --plain --follow` as a process; what it prints is read from a file."""

    def __init__(self, tmp_path, *words):
        self._out, self._err = tmp_path / "out", tmp_path / "err"
        call = [sys.executable, "-c", START, "--plain", "--follow", "--server", f"unix://{tmp_path}/s", *words]
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(call, env=ENVIRON, stdout=out, stderr=err)

    @property
    def lines(self):
        return self._out.read_text().splitlines()

    def says(self, text):
        wait_for(lambda: text in self._err.read_text(), f"{text} in {self._err}", 60)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.process.kill()
        self.process.wait(60)


def test_what_comes_is_added_and_a_server_that_goes_and_comes_back_is_said(tmp_path):
    ring = ring_of(batch())
    with _Followed(tmp_path, "--verdict", "DROPPED") as followed:
        followed.says("there is no socket")
        with serving(ring, tmp_path):
            wait_for(lambda: len(followed.lines) == 2, "the drops that were held", 60)
            ring.append(batch().with_columns(uuid_low=batch()["uuid_low"] + 100))
            wait_for(lambda: len(followed.lines) == 4, "the drops that came", 60)
            followed.says("following unix://")
        followed.process.send_signal(signal.SIGINT)
        assert followed.process.wait(60) == 0
    assert len(followed.lines) == 4


def test_a_view_that_puts_flows_together_is_printed_when_they_have_come(tmp_path):
    with serving(shop(), tmp_path), _Followed(tmp_path, "--view", "services", *TIMES) as followed:
        wait_for(lambda: len(followed.lines) >= 6, "the services", 60)
        assert [line.split()[0] for line in followed.lines[1:5]] == ["PROTOCOL", "http", "postgresql", "dns"]


def test_its_words_are_in_the_help():
    names = {flag.name for flag in command().flags}
    assert {"plain", "view", "follow"} <= names

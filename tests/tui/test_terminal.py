"""In a real terminal: tmux, the command line, a real server."""

import re
import shutil
import subprocess
import sys

import pytest

from rubin.store.ring import Ring
from tests.api.serving import serving
from tests.cli.running import ENVIRON
from tests.flows import generate
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

START = """import os, sys
from rubin.cli.main import call
from rubin.cli.tui import command
sys.exit(call(command(), sys.argv[1:], os.environ))"""


class Terminal:
    """A tmux server of its own with one window of 80x24."""

    def __init__(self, directory, *arguments, **environ):
        self._socket = str(directory / "tmux")
        words = [sys.executable, "-c", START, *arguments]
        settings = {**ENVIRON, "TERM": "xterm-256color", "HOME": str(directory), **environ}
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", *words, env=settings)

    def tmux(self, *words, env=None):
        done = subprocess.run(
            ["tmux", "-S", self._socket, *words], env=env, check=False, capture_output=True, text=True, timeout=30
        )
        return done.stdout

    def screen(self, *flags):
        return self.tmux("capture-pane", "-p", *flags)

    def has(self, *texts):
        try:
            wait_for(lambda: all(text in self.screen() for text in texts), f"{texts}", 60)
        except AssertionError as error:
            raise AssertionError(f"{error} in\n{self.screen()}") from error

    def answers(self):
        """Wait until it takes keys. What is pressed means the same when it comes twice: a first one may be late."""
        for key, view in (("4", "▸ Services"), ("1", "▸ Flows")):
            self.has_after(key, view)

    def has_after(self, key, text):
        """Press it until it has."""
        for _ in range(12):
            self.keys(key)
            try:
                return wait_for(lambda: text in self.screen(), f"{text} after {key}", 10)
            except AssertionError:
                continue
        raise AssertionError(f"no {text} after {key}:\n{self.screen()}")

    def keys(self, *keys):
        for key in keys:
            self.tmux("send-keys", key)


@pytest.fixture
def terminal(tmp_path):
    opened = []

    def make(*arguments, **environ):
        opened.append(Terminal(tmp_path, *arguments, **environ))
        return opened[-1]

    yield make
    for one in opened:
        one.tmux("kill-server")


@pytest.fixture
def server(tmp_path):
    ring = Ring()
    ring.append(generate(1_000))
    with serving(ring, tmp_path):
        yield f"unix://{tmp_path}/s"


def test_it_is_looked_at_filtered_and_left(terminal, server):
    window = terminal("--server", server)
    window.has("1,000 flows", "● LIVE")
    window.answers()
    window.keys("/", "verdict=DROPPED", "Enter")
    window.has("$ rubin observe --verdict DROPPED --follow", "⊘ DROP")
    window.keys("k", "Enter")
    window.has("THE FLOW", "verdict", "DROPPED")
    window.keys("h", "?")
    window.has("Everywhere")
    window.keys("q")
    wait_for(lambda: "Everywhere" not in window.screen(), "the page to be closed")
    window.keys("q")
    wait_for(lambda: not window.tmux("list-panes"), "that it has ended")


def test_filters_of_the_command_line_hold_from_the_start(terminal, server):
    window = terminal("--server", server, "--verdict", "DROPPED", "--not", "--to-port", "53")
    window.has("verdict=DROPPED not to-port=53", "⊘ DROP")
    assert "→ fwd" not in window.screen()


def test_without_colours_none_is_sent(terminal, server):
    window = terminal("--server", server, "--verdict", "DROPPED", NO_COLOR="1")
    window.has("⊘ DROP", "● LIVE")
    codes = {code for found in re.findall(r"\x1b\[([\d;]*)m", window.screen("-e")) for code in found.split(";")}
    default = {"39", "49"}
    assert not {code for code in codes - default if code and 30 <= int(code) <= 107}
    assert codes


def test_a_smaller_window_is_filled_anew(terminal, server):
    window = terminal("--server", server)
    window.has("1,000 flows")
    window.tmux("resize-window", "-x", "60", "-y", "12")
    wait_for(lambda: "● LIVE" in window.screen().splitlines()[0], "a head of 60 columns")


def test_without_a_terminal_it_says_what_to_use():
    done = subprocess.run(
        [sys.executable, "-c", START], env=ENVIRON, check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "rubin tui needs a terminal" in done.stderr

"""Completion, in a real bash; of the other shells, that the scripts name every command and flag."""

import subprocess
from pathlib import Path

import pytest

from rubin.cli.main import COMMANDS, load
from tests.cli.running import Call

OFFERED = [
    ("rubin ob", ["observe"]),
    ("rubin observe agent", ["agent-events"]),
    ("rubin observe --verd", ["--verdict"]),
    ("rubin observe --verdict D", ["DROPPED"]),
    ("rubin observe --not --verdict FORW", ["FORWARDED"]),
    ("rubin observe flows --color = al", ["always"]),
    ("rubin observe -t trace:to-e", ["trace:to-endpoint"]),
    ("rubin list ", ["nodes", "namespaces", "endpoints"]),
    ("rubin list nodes -o w", ["wide"]),
    ("rubin observe -o co", ["compact", "columns"]),
    ("rubin replay x --output w", ["wide"]),
    ("rubin --server x stat", ["status"]),
    ("rubin status --fol", []),
]


@pytest.mark.parametrize(("line", "offered"), OFFERED)
def test_bash_offers_what_may_follow(rubin: Call, tmp_path: Path, line: str, offered: list[str]) -> None:
    (tmp_path / "rubin.bash").write_text(rubin("completion", "bash").out)
    script = """
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _rubin; printf '%s\\n' "${COMPREPLY[@]}"
    """
    words = ["bash", "-c", script, "bash", str(tmp_path / "rubin.bash"), *line.split(" ")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.split() == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_name_every_command_and_flag(rubin: Call, shell: str) -> None:
    script = rubin("completion", shell).out
    for name in COMMANDS:
        assert name in script
        for flag in load(name).flags:
            assert flag.is_hidden or flag.name in script

"""The door: which command, which exit code, one sentence and a way on."""

import subprocess
import sys

import pytest

from rubin import __version__
from rubin.cli.command import Command
from rubin.cli.main import COMMANDS, load
from tests.cli.running import ENVIRON, Call, Done, command

HELP = [
    "",
    "--help",
    "-h",
    "help",
    "help observe",
    "observe --help",
    "observe flows -h",
    "--help observe",
    "list",
    "config",
    "watch",
]


@pytest.mark.parametrize("line", HELP)
def test_help_is_given(line: str, rubin: Call) -> None:
    done = rubin(*line.split())
    assert (done.code, done.err) == (0, "")
    assert done.out.count("\n") > 3
    assert "Usage:" in done.out


@pytest.mark.parametrize("line", ["--version", "-v"])
def test_version_is_one_line(line: str, rubin: Call) -> None:
    assert rubin(line) == Done(0, f"rubin v{__version__}\n", "")


WRONG = [
    ("obsrve", "command 'obsrve' does not exist", "rubin observe"),
    ("frobnicate", "command 'frobnicate' does not exist", "rubin --help"),
    ("list nods", "'rubin list' knows no 'nods'", "rubin list nodes"),
    ("observe flow", "'rubin observe' knows no 'flow'", "rubin observe flows"),
    ("observe --verdict droped", "verdict 'droped' does not exist", "one of FORWARDED"),
    ("observe --folow", "flag '--folow' does not exist", "--follow"),
    ("observe --first 1 --last 2", "cannot set both --first and --last", "leave one"),
    ("observe -o xml", "output format 'xml' does not exist", "one of compact"),
    (
        "observe agent-events -o wide",
        "output format 'wide' does not exist",
        "one of compact, dict, json, jsonpb, table",
    ),
    ("observe debug-events -o columns", "output format 'columns' does not exist", "one of compact"),
    (
        "observe -o columns --field-mask time",
        "columns output format is not compatible with custom field mask",
        "-o json",
    ),
    ("replay x -o wide --field-mask time", "wide output format is not compatible with custom field mask", "-o json"),
    ("observe -f -o table", "table output format is not compatible with follow mode", "-o compact"),
    ("observe --field-mask time", "compact output format is not compatible with custom field mask", "-o json"),
    ("observe --since never", "--since 'never' is no time", "5m"),
    ("observe --time-format RFC", "time format 'RFC' does not exist", "one of StampMilli"),
    ("observe --color sometimes", "--color cannot be 'sometimes'", "one of auto"),
    ("observe --allowlist {", "'{' is no flow filter", "such as"),
    ("observe -P", "--port-forward is not supported yet", "kubectl"),
    ("observe --server unix://", "'unix://' names no socket", "e.g."),
    ("observe --tls-client-cert-file x", "certificate and private key are both required", "--tls-client-cert-file"),
    ("observe agent-events --pod x", "flag '--pod' does not exist", ""),
    ("status -o xml", "output format 'xml' does not exist", "one of compact"),
    ("list nodes -o dict", "--output cannot be 'dict'", "one of json"),
    ("config get servr", "setting 'servr' does not exist", "server"),
    ("config set", "config set needs a key", "rubin config set server"),
    ("completion", "completion needs the name of a shell", "one of bash"),
    ("completion tcsh", "shell 'tcsh' is not supported", "one of bash"),
    ("version extra", "'rubin version' knows no 'extra'", "rubin version --help"),
]


@pytest.mark.parametrize(("line", "sentence", "way_on"), WRONG)
def test_what_was_asked_wrongly_is_said_with_a_way_on(line: str, sentence: str, way_on: str, rubin: Call) -> None:
    done = rubin(*line.split())
    assert (done.code, done.out) == (2, "")
    first, second = done.err.splitlines()[:2]
    assert first.startswith(f"rubin: {sentence}")
    assert second.startswith(f"  try: {way_on}")


def test_a_server_that_is_not_there_is_exit_code_1(rubin: Call) -> None:
    done = rubin("status", "--server", "unix:///nonexistent/rubin.sock")
    assert done.code == 1
    assert done.err.startswith("rubin: there is no socket /nonexistent/rubin.sock\n  try: ")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_file_that_gives_it(name: str) -> None:
    found = load(name)
    assert found.name == name
    assert found.run or found.commands


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_has_a_flag_twice(name: str) -> None:
    def check(found: Command) -> None:
        names = [flag.name for flag in found.flags] + [flag.short for flag in found.flags if flag.short]
        assert len(names) == len(set(names))
        for below in found.commands:
            check(below)

    check(load(name))


def test_a_reader_that_leaves_is_no_error() -> None:
    """More text than a pipe holds, and a reader of one line."""
    line = f"{' '.join(command('completion', 'fish'))} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, env=ENVIRON)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("# fish")


@pytest.mark.parametrize("heavy", ["numpy", "google.protobuf", "grpclib", "asyncio", "ssl"])
def test_help_loads_nothing_heavy(heavy: str) -> None:
    code = f"import sys; from rubin.cli.main import main; main(['--help']); sys.exit('{heavy}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, env=ENVIRON).returncode == 0


@pytest.mark.parametrize(("arguments", "is_own"), [("", True), ("['--help']", False)])
def test_the_collector_is_set_for_the_own_process_alone(arguments: str, is_own: bool) -> None:
    then = "gc.get_freeze_count() > 0 and gc.get_threshold() != usual"
    code = f"import gc; from rubin.cli.main import main; usual = gc.get_threshold(); main({arguments}); print({then})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == str(is_own)


def test_help_writes_durations_as_they_are_typed(rubin: Call) -> None:
    text = rubin("observe", "--help").out
    assert "(default 5s)" in text
    assert "(default 12s)" in " ".join(text.split())

"""The command line: called in this process, or as one of its own."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import rubin
from rubin.cli.main import main

ENVIRON = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": str(Path(rubin.__file__).parents[1]),
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
}


@dataclass(frozen=True)
class Done:
    """How a call ended and what it printed."""

    code: int
    out: str
    err: str


Call = Callable[..., Done]


def caller(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, directory: Path) -> Call:
    """`call("observe", "-f")`, with no settings but the variables that are set meanwhile."""
    for name in list(os.environ):
        if name.startswith(("RUBIN_", "HUBBLE_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(directory))
    monkeypatch.chdir(directory)

    def call(*arguments: str, **environ: str) -> Done:
        with monkeypatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            code = main(arguments)
        return Done(code, *capsys.readouterr())

    return call


def command(*arguments: str) -> list[str]:
    """The words that start a process of its own."""
    return [sys.executable, "-m", "rubin", *arguments]

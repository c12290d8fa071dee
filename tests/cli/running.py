"""The command line as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import rubin

ENVIRON = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": str(Path(rubin.__file__).parents[1]),
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
}


def command(*arguments: str) -> list[str]:
    """The words that start it."""
    return [sys.executable, "-m", "rubin", *arguments]


def run(*arguments: str, stdin: str = "", environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run it to its end, which comes within a minute."""
    environ = ENVIRON | (environ or {})
    return subprocess.run(
        command(*arguments), input=stdin, capture_output=True, text=True, check=False, env=environ, timeout=60
    )

"""An agent for the bench, in a process of its own."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Running:
    """An agent that answers."""

    pid: int
    server: str

    def observe(self, *arguments: str) -> str:
        """What `rubin observe` prints."""
        return self._ask("observe", *arguments)

    def status(self) -> dict[str, Any]:
        """The agent's own part of `rubin status -o json`."""
        report: dict[str, Any] = json.loads(self._ask("status", "-o", "json"))["rubin"]
        return report

    def _ask(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "rubin", *arguments, "--server", self.server]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextmanager
def agent(folder: Path, *flags: str, inside: str = "") -> Iterator[Running]:
    """An agent with a socket in `folder`, gone at the end; the block begins when it answers.

    `inside` names a network namespace to run in; the cgroup mount stays in sight there.
    """
    path = folder / "agent.sock"
    there = ["nsenter", f"--net=/run/netns/{inside}"] if inside else []
    places = ["--listen", str(path), "--listen-address", "", "--metrics-address", ""]
    with answering([*there, sys.executable, "-m", "rubin", "agent", *places, *flags], folder, path) as process:
        yield Running(process.pid, f"unix://{path}")


@contextmanager
def answering(command: list[str], folder: Path, path: Path) -> Iterator["subprocess.Popen[str]"]:
    """An agent's process once there is something at `path`; its standard input and output are pipes."""
    log = folder / "agent.log"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with log.open("w") as out, subprocess.Popen(command, stderr=out, **pipes) as process:  # type: ignore[call-overload]
        try:
            _wait(process, path, log)
            yield process
        finally:
            process.terminate()
            process.wait(30)


def _wait(process: "subprocess.Popen[str]", path: Path, log: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the agent did not start:\n{log.read_text()}")
        time.sleep(0.01)

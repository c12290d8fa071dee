"""What a verb tells the person who called it, and the child processes it tells of."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
TAIL_LINES = 15


class Stop(Exception):
    """The verb cannot go on: what is missing, and what to do about it."""

    def __init__(self, sentence: str, way_on: str = "", exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.sentence, self.way_on, self.exit_code = sentence, way_on, exit_code

    def __str__(self) -> str:
        return f"rubin: {self.sentence}" + (f"\n  try: {self.way_on}" if self.way_on else "")


def say(line: str) -> None:
    """One line of progress, on standard error: a verb's output is its own."""
    print(f"· {line}", file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Says what is being done, and how long it took."""
    print(f"· {what} … ", end="", file=sys.stderr, flush=True)
    begin = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed", file=sys.stderr)
        raise
    print(f"{time.monotonic() - begin:.1f} s", file=sys.stderr)


def quietly(command: Sequence[str | Path], otherwise: Stop, environment: dict[str, str] | None = None) -> str:
    """The output of a command that nobody wants to read unless it fails: then its last lines and `otherwise`."""
    try:
        done = subprocess.run(
            [str(word) for word in command], cwd=ROOT, text=True, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise Stop(f"{command[0]} is not on this machine", otherwise.way_on) from error
    if done.returncode:
        tail = "\n".join(f"    {line}" for line in done.stdout.splitlines()[-TAIL_LINES:])
        raise Stop(f"{otherwise.sentence}\n{tail}", otherwise.way_on, otherwise.exit_code)
    return done.stdout

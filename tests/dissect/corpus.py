"""What fuzzers found worth keeping: a file a protocol, one input a line, as Python writes bytes.

`python -m tests.dissect.corpus PROTOCOL FOLDER`: keeps of the files in there what reaches a place in the dissectors
that no shorter one does, and those whose names say that they fail.
"""

import sys
from ast import literal_eval
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from rubin import dissect
from tests.dissect.fuzzed import RUN

FOLDER = Path(__file__).with_name("corpus")
MOST_BYTES = 8192
_OURS = dissect.__path__[0]


def kept(protocol: str) -> list[bytes]:
    """The inputs of the corpus."""
    return [literal_eval(line) for line in (FOLDER / protocol).read_text().splitlines()]


def keep(protocol: str, inputs: Iterable[bytes], failing: Iterable[bytes]) -> None:
    """Writes the corpus, up to `MOST_BYTES` beside what fails."""
    chosen, reached, size = set(failing), set[Any](), 0
    for data in sorted(inputs, key=len):
        new = _reached(protocol, data) - reached
        if new and size + len(data) <= MOST_BYTES:
            chosen.add(data)
            reached |= new
            size += len(data)
    (FOLDER / protocol).write_text("".join(f"{data!r}\n" for data in sorted(chosen)))


def _reached(protocol: str, data: bytes) -> set[Any]:
    """The steps from line to line that the dissectors take over an input."""
    steps, before = set(), dict[FrameType, int]()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename.startswith(_OURS):
            steps.add((frame.f_code, before.get(frame), frame.f_lineno))
            before[frame] = frame.f_lineno
            return trace
        return None

    sys.settrace(trace)
    try:
        RUN[protocol](data)
    finally:
        sys.settrace(None)
    return steps


def _main(protocol: str, folder: str) -> None:
    files = list(Path(folder).iterdir())
    failing = [path.read_bytes() for path in files if path.name.startswith(("crash-", "oom-", "timeout-"))]
    inputs = [path.read_bytes() for path in files]
    keep(protocol, [data for data in inputs if data not in failing], failing)


if __name__ == "__main__":
    _main(*sys.argv[1:])

"""Clears up after a demo that died: a process of its own that waits for the other end of a pipe to close.

The pipe closes however the demo ends, also by SIGKILL. When the demo has cleared up itself there is
nothing left to do.
"""

import os
import subprocess
import sys

from demo import place
from rubin.errors import RubinError

PATIENCE_S = 5.0


def start() -> int:
    """Starts the guard; the descriptor that must stay open as long as the demo lives."""
    waiting, alive = os.pipe()
    subprocess.Popen(
        [sys.executable, "-m", "demo.guard", str(waiting)],
        pass_fds=[waiting],
        start_new_session=True,  # Ctrl-C is for the demo
        stdin=subprocess.DEVNULL,
    )
    os.close(waiting)
    return alive


def main(waiting: int) -> None:
    """Waits, and clears under the lock: a demo that started meanwhile has cleared itself and is left alone."""
    os.read(waiting, 1)
    if not place.FOLDER.exists():
        return
    try:
        lock = place.hold(PATIENCE_S)
    except RubinError:
        return
    with lock:
        place.clear()
        place.forget()


if __name__ == "__main__":
    main(int(sys.argv[1]))

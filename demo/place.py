"""Where the demo keeps what it makes, so that it can be found and cleared away whatever happened.

One directory, cgroups of one name and network namespaces with one prefix: whoever finds them without a living
demo may remove them. The lock in the directory is held as long as a demo, or the guard that clears up
after it, lives.
"""

import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TextIO

from rubin.errors import RubinError

PREFIX = "rubin-demo-"
FOLDER = Path("/run/rubin-demo")
LOCK = FOLDER / "lock"
PATIENCE_S = 10
# Directories outside it that were made for a mount point: a line each.
_KEPT_EMPTY = FOLDER / "made"


def cgroup() -> Path:
    """The cgroup that all of the demo's processes are in."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind = line.split()[:3]
        if kind == "cgroup2":
            return Path(point) / "rubin-demo"
    raise RubinError("no cgroup2 file system is mounted", "mount -t cgroup2 none /sys/fs/cgroup/unified")


def keep_empty(folder: Path) -> None:
    """Makes a directory of the machine, if it is not there, that goes with the demo."""
    if not folder.exists():
        with _KEPT_EMPTY.open("a") as made:
            made.write(f"{folder}\n")
        folder.mkdir(parents=True)


def hold(patience_s: float = 1.0) -> TextIO:
    """The lock, held until it is closed; raises RubinError where another demo goes on holding it.

    A demo that was killed may leave it for a moment to a process that it was just starting, or to its guard.
    """
    end = time.monotonic() + patience_s
    while True:
        lock = _open_lock()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if LOCK.exists() and LOCK.stat().st_ino == os.fstat(lock.fileno()).st_ino:
                return lock
        except BlockingIOError as error:
            if time.monotonic() > end:
                sentence = "a demo is already running on this machine"
                raise RubinError(sentence, "end it with Ctrl-C where it runs") from error
        lock.close()  # somebody's, or one that was removed just before we had it
        time.sleep(0.02)


def _open_lock() -> TextIO:
    while True:
        FOLDER.mkdir(parents=True, exist_ok=True)
        try:
            return LOCK.open("a+")
        except FileNotFoundError:  # a guard removed the directory in between
            continue


def clear() -> None:
    """Ends every process of the demo and removes its namespaces, its cgroup and its files. Twice does no harm."""
    _end_processes(cgroup())
    for group in Path("/sys/fs/cgroup").glob(
        f"*/{cgroup().name}"
    ):  # in hierarchies of v1, by runc, which has ended now
        _end_processes(group)
    for name in namespaces():
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
    for made in _KEPT_EMPTY.read_text().split() if _KEPT_EMPTY.exists() else ():
        if Path(made).exists() and not any(Path(made).iterdir()):
            Path(made).rmdir()
    for path in FOLDER.glob("*") if FOLDER.exists() else ():
        if path != LOCK:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def forget() -> None:
    """Removes the directory itself: the last thing that is done under the lock."""
    LOCK.unlink(missing_ok=True)
    if FOLDER.exists() and not any(FOLDER.iterdir()):
        FOLDER.rmdir()


def namespaces() -> list[str]:
    """The names of the demo's network namespaces that exist."""
    folder = Path("/run/netns")
    return sorted(path.name for path in folder.glob(f"{PREFIX}*")) if folder.exists() else []


def _end_processes(group: Path) -> None:
    """Ends and removes the cgroup. A process that was just being started may join it late: then once more."""
    end = time.monotonic() + PATIENCE_S
    while group.exists():
        _kill(group)
        try:
            _remove(group)
        except OSError as error:  # somebody in it still lives
            if time.monotonic() > end:
                raise RubinError(f"processes in {group} do not end", f"look at {group}/*/cgroup.procs") from error
            time.sleep(0.01)


def _remove(group: Path) -> None:
    """Removes a cgroup and all below it; raises OSError where somebody in it still lives."""
    for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
        folder.rmdir()
    group.rmdir()


def _kill(group: Path) -> None:
    """cgroup.kill reaches every descendant, also what left its parent (nginx's workers); it came with Linux 5.14."""
    kill = group / "cgroup.kill"
    if kill.exists():
        kill.write_text("1")
        return
    for procs in group.rglob("cgroup.procs"):
        for pid in procs.read_text().split():
            subprocess.run(["kill", "-9", pid], check=False, capture_output=True)

"""Where the demo keeps what it makes, so that it can be found and cleared away whatever happened.

One directory, one cgroup and network namespaces with one prefix: whoever finds them without a living
demo may remove them. The lock in the directory is held as long as a demo, or the guard that clears up
after it, lives.
"""

import fcntl
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


def cgroup() -> Path:
    """The cgroup that all of the demo's processes are in."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind = line.split()[:3]
        if kind == "cgroup2":
            return Path(point) / "rubin-demo"
    raise RubinError("no cgroup2 file system is mounted", "mount -t cgroup2 none /sys/fs/cgroup/unified")


def hold() -> TextIO:
    """The lock, held until it is closed; raises RubinError where another demo holds it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    lock = LOCK.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RubinError("a demo is already running on this machine", "end it with Ctrl-C where it runs") from error
    return lock


def clear() -> None:
    """Ends every process of the demo and removes its namespaces, its cgroup and its files. Twice does no harm."""
    _end_processes(cgroup())
    for name in namespaces():
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
    for path in FOLDER.glob("*") if FOLDER.exists() else ():
        if path != LOCK:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def forget() -> None:
    """Removes the directory itself: the last thing that is done under the lock."""
    LOCK.unlink(missing_ok=True)
    if FOLDER.exists():
        FOLDER.rmdir()


def namespaces() -> list[str]:
    """The names of the demo's network namespaces that exist."""
    folder = Path("/run/netns")
    return sorted(path.name for path in folder.glob(f"{PREFIX}*")) if folder.exists() else []


def _end_processes(group: Path) -> None:
    """cgroup.kill reaches every descendant, also what left its parent (nginx's workers)."""
    if not group.exists():
        return
    kill = group / "cgroup.kill"
    if kill.exists():  # since Linux 5.14
        kill.write_text("1")
    end = time.monotonic() + PATIENCE_S
    while (group / "cgroup.events").read_text().startswith("populated 1"):
        if not kill.exists():
            _kill_each(group)
        if time.monotonic() > end:
            raise RubinError(f"processes in {group} do not end", f"look at {group}/*/cgroup.procs")
        time.sleep(0.01)
    for folder in (*group.glob("*/"), group):
        folder.rmdir()


def _kill_each(group: Path) -> None:
    for procs in group.rglob("cgroup.procs"):
        for pid in procs.read_text().split():
            subprocess.run(["kill", "-9", pid], check=False, capture_output=True)

"""A network, mounts, folders and a cgroup of its own for a runtime, all gone at the end whatever happens."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.waiting import wait_for


class Place(NamedTuple):
    """Where a runtime runs: `name` is its network namespace's and its cgroup's, `before` precedes its command."""

    name: str
    folder: Path
    before: list[str]


@contextmanager
def apart(name: str, *states: str) -> Iterator[Place]:
    """The place. The folders of state, which runtimes fill wherever they are told to be, are hidden there."""
    folder = Path(tempfile.mkdtemp(prefix="rubin-"))
    made = [Path(state) for state in states if not Path(state).exists()]
    keeper = None
    _clear(folder, name)
    try:
        for state in made:
            state.mkdir(parents=True)
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
        keeper = _keeper(name, states)
        yield Place(name, folder, ["nsenter", f"--target={keeper.pid}", "--mount", "--net"])
    finally:
        if keeper is not None:
            keeper.communicate(timeout=10)
        _clear(folder, name)
        for state in made:
            state.rmdir()
        shutil.rmtree(folder)


def _keeper(name: str, states: Iterable[str]) -> "subprocess.Popen[bytes]":
    """A process that keeps the mounts while daemons die and come back."""
    words = ["nsenter", f"--net=/run/netns/{name}", "unshare", "--mount", "--propagation", "slave", "sh", "-c"]
    script = " && ".join((*(f"mount -t tmpfs tmpfs {state}" for state in states), "echo", "read _"))
    keeper = subprocess.Popen([*words, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert keeper.stdout is not None
    assert keeper.stdout.readline(), "mounts of its own"
    return keeper


def ip(*words: str) -> None:
    """iproute2's `ip`."""
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)


def _clear(folder: Path, name: str) -> None:
    """End what runs in the cgroup or from the folder, and remove the cgroup and the network namespace."""
    cgroups = list(Path("/sys/fs/cgroup").glob(f"*/{name}"))
    wait_for(lambda: not _killed(_in_cgroups(cgroups)), f"processes in {name} to end")
    wait_for(lambda: not _killed(_of_folder(folder)), f"processes of {folder} to end")
    wait_for(lambda: all(_removed(top) for top in cgroups), f"cgroups {name} to go")
    if Path("/run/netns", name).exists():
        ip("netns", "delete", name)


def _killed(pids: list[int]) -> list[int]:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return pids


def _in_cgroups(cgroups: Iterable[Path]) -> list[int]:
    return [int(pid) for top in cgroups for path in top.rglob("cgroup.procs") for pid in path.read_text().split()]


def _of_folder(folder: Path) -> list[int]:
    """Processes whose command line names the folder: shims, monitors and daemons."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"{folder}/".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue  # it has ended
    return found


def _removed(top: Path) -> bool:
    """Whether a cgroup and all below it could be removed: a process that has just ended may still be in it."""
    try:
        for path in sorted((one for one in top.rglob("*") if one.is_dir()), reverse=True):
            path.rmdir()
        top.rmdir()
    except OSError:
        return not top.exists()
    return True

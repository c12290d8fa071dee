"""Cgroups: where v2 is mounted, and the path of a cgroup by its id (the inode number), in v2 or in v1's `pids`."""

import os
import time
from collections.abc import Callable, Iterator

from rubin.errors import UnsupportedError

_MOUNTS = "/proc/self/mountinfo"
_MOST_PATHS = 65_536  # containers come and go; what is asked for again is found again
V1 = 1 << 63
"""In an id: it is one of the v1 hierarchy of pids (bpf/owner.h)."""


def mount(mountinfo: str = _MOUNTS) -> str:
    """Where the cgroup2 hierarchy's root is mounted. Raises UnsupportedError where it is not.

    A mount of only a part of the hierarchy (a container's) has a root other than "/" and will not do,
    since a program there sees that part only; it is taken where there is nothing better. In a cgroup
    namespace its own part has the root "/", and what lies above "/.." (cgroup_namespaces(7)).
    """
    found = sorted(_mounts(mountinfo, lambda kind, _: kind == "cgroup2"))
    if not found:
        raise UnsupportedError(
            "cgroup v2 is not mounted",
            "mount -t cgroup2 none /sys/fs/cgroup/unified (or watch interfaces instead of sockets)",
        )
    return found[0][1]


def mount_v1(mountinfo: str = _MOUNTS) -> str:
    """Where the v1 hierarchy of pids is mounted, "" where there is none."""
    found = sorted(_mounts(mountinfo, lambda kind, options: kind == "cgroup" and "pids" in options.split(",")))
    return found[0][1] if found else ""


def _mounts(mountinfo: str, fits: Callable[[str, str], bool]) -> Iterator[tuple[int, str]]:
    """(0: above all that is ours, 1: all, 2: a part; mount point).

    Fields by proc(5): ... root mount-point ... - type source options.
    """
    with open(mountinfo) as file:
        for line in file:
            fields = line.split()
            if "-" not in fields:
                continue
            kind, _, options = (*fields[fields.index("-") + 1 :], "", "", "")[:3]
            if fits(kind, options):
                extent = 0 if fields[3].startswith("/..") else 1 if fields[3] == "/" else 2
                yield extent, fields[4].encode().decode("unicode_escape")


class Cgroups:
    """Paths of cgroups by id, from the root of their mount: "/system.slice/ssh.service"; "" when it is gone.

    `made` tells the path of a cgroup that was made while it looked ("" where it does not know), gone or not.
    Another unknown id makes the trees be walked again, at most once in `pause_s`.
    """

    def __init__(
        self, root: str, root_v1: str = "", made: Callable[[int], str] = lambda _: "", pause_s: float = 1.0
    ) -> None:
        self._roots = [(root, 0), *([(root_v1, V1)] if root_v1 else [])]
        self._made, self._pause_s = made, pause_s
        self._paths: dict[int, str] = {}
        self._walked = -pause_s

    def path(self, number: int) -> str:
        """The path of the cgroup with this id."""
        path = self._paths.get(number) or (self._made(number) if number else "")
        if not path and number and time.monotonic() - self._walked >= self._pause_s:
            self._walked = time.monotonic()
            for root, mark in self._roots:
                self._paths.update((inode | mark, place) for inode, place in self._walk(root, "/"))
            path = self._paths.get(number, "")
        if path:
            if len(self._paths) >= _MOST_PATHS:
                self._paths.clear()
            self._paths[number] = path
        return path

    def _walk(self, folder: str, path: str) -> Iterator[tuple[int, str]]:
        try:
            yield os.stat(folder).st_ino, path
            below = [entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:  # it went while we looked
            return
        for name in below:
            yield from self._walk(f"{folder}/{name}", f"{path.rstrip('/')}/{name}")

"""cgroup v2: where it is mounted, and the path of a cgroup by its id (the inode number)."""

import os
import time
from collections.abc import Iterator

from rubin.errors import UnsupportedError


def mount(mountinfo: str = "/proc/self/mountinfo") -> str:
    """Where the cgroup2 hierarchy's root is mounted. Raises UnsupportedError where it is not.

    A mount of only a part of the hierarchy (a container's) has a root other than "/" and will not do,
    since a program there sees that part only; it is taken where there is nothing better.
    """
    with open(mountinfo) as file:
        found = sorted(_cgroup2(file.read().splitlines()))
    if not found:
        raise UnsupportedError(
            "cgroup v2 is not mounted",
            "mount -t cgroup2 none /sys/fs/cgroup/unified (or watch interfaces instead of sockets)",
        )
    return found[0][1]


def _cgroup2(lines: list[str]) -> Iterator[tuple[bool, str]]:
    """(is a part only, mount point); fields by proc(5): ... root mount-point ... - type source options."""
    for line in lines:
        fields = line.split()
        if "-" in fields and fields[fields.index("-") + 1] == "cgroup2":
            yield fields[3] != "/", fields[4].encode().decode("unicode_escape")


class Cgroups:
    """Paths of cgroups by id, from the root of the mount: "/system.slice/ssh.service"; "" when it is gone.

    An unknown id makes the tree be walked again, at most once in `pause_s`.
    """

    def __init__(self, root: str, pause_s: float = 1.0) -> None:
        self.root = root
        self._pause_s = pause_s
        self._paths: dict[int, str] = {}
        self._walked = -pause_s

    def path(self, number: int) -> str:
        """The path of the cgroup with this id."""
        if number not in self._paths and number and time.monotonic() - self._walked >= self._pause_s:
            self._walked = time.monotonic()
            self._paths.update(self._walk(self.root, "/"))
        return self._paths.get(number, "")

    def _walk(self, folder: str, path: str) -> Iterator[tuple[int, str]]:
        try:
            yield os.stat(folder).st_ino, path
            below = [entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:  # it went while we looked
            return
        for name in below:
            yield from self._walk(f"{folder}/{name}", f"{path.rstrip('/')}/{name}")

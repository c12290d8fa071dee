"""Who owns the local socket of a flow, by its cgroup or network namespace, or the interface it passed."""

import os
from collections.abc import Mapping
from pathlib import Path

from rubin.model.tables import Link, Process

_NAMED = Path("/run/netns")


class Namespaces:
    """Inodes of network namespaces: of a process, and of a name under /run/netns."""

    def __init__(self, proc: Path = Path("/proc"), named: Path = _NAMED) -> None:
        self._proc, self._named = proc, named
        self._by_cookie: dict[int, int] = {}

    def of_process(self, process: Process) -> int:
        """The inode, 0 where it is not known (any more)."""
        # a cookie is never used twice, so one living process tells it for all that came before
        inode = self._by_cookie.get(process.netns_cookie, 0)
        if not inode and process.pid:
            inode = _inode(self._proc / str(process.pid) / "ns" / "net")
            if inode and process.netns_cookie:
                self._by_cookie[process.netns_cookie] = inode
        return inode

    def of_name(self, name: str | int) -> int:
        """The inode of a name, 0 where there is none now; an inode is its own."""
        return name if isinstance(name, int) else _inode(self._named / name)


def _inode(path: Path) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


class Scopes:
    """The endpoints (by their numbers) of cgroups, network namespaces and interfaces."""

    def __init__(
        self,
        cgroups: Mapping[str, int],
        netns: Mapping[str | int, int],
        interfaces: Mapping[str, int],
        namespaces: Namespaces,
    ) -> None:
        self._cgroups, self._interfaces, self._namespaces = cgroups, interfaces, namespaces
        self._inodes = {name: namespaces.of_name(name) for name in netns}
        self._netns = {inode: netns[name] for name, inode in self._inodes.items() if inode}

    @property
    def moved(self) -> bool:
        """Whether a named network namespace has come, gone, or been made anew."""
        return any(self._namespaces.of_name(name) != inode for name, inode in self._inodes.items())

    @property
    def of_sockets(self) -> bool:
        """Whether anything is told of cgroups or network namespaces."""
        return bool(self._cgroups or self._inodes)

    @property
    def of_interfaces(self) -> bool:
        """Whether anything is told of interfaces."""
        return bool(self._interfaces)

    def process(self, process: Process) -> int:
        """Whose the process is: the nearest cgroup's, else the network namespace's; 0: nobody's."""
        path = process.cgroup
        while path and self._cgroups:
            if path in self._cgroups:
                return self._cgroups[path]
            path = path.rpartition("/")[0]
        return self._netns.get(self._namespaces.of_process(process), 0) if self._netns else 0

    def link(self, link: Link) -> int:
        """Who is behind the interface; 0: nobody known."""
        return self._interfaces.get(link.name, 0)

"""What /proc says of a container's first process: its cgroup, its network namespace and the addresses there."""

import os
import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

PROC = Path("/proc")

# A line of an address, and below it what it is: "           |-- 10.0.0.2" and "              /32 host LOCAL".
_LOCAL = re.compile(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL")
# An address in hexadecimal, the interface's index, the prefix, and the scope: 00 of those that others can use.
_GLOBAL = re.compile(r"^([0-9a-f]{32}) [0-9a-f]+ [0-9a-f]+ 00 ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Netns:
    """A network namespace, by its inode."""

    inode: int
    addresses: tuple[str, ...]
    """Those of its interfaces, loopback and link-local ones left out."""


def cgroup(pid: int, container_id: str, proc: Path = PROC) -> str:
    """The path in cgroup v2; "" where it does not name the container, because the process is another one, or gone."""
    for line in _text(proc / str(pid) / "cgroup").splitlines():
        number, _, rest = line.partition(":")
        path = rest.partition(":")[2]
        if number == "0" and container_id in path.split("/"):
            return path
    return ""


def is_of(pid: int, container_id: str, proc: Path = PROC) -> bool:
    """Whether a process is a container's: some of its cgroups, v1 or v2, names it."""
    parts = {part for line in _text(proc / str(pid) / "cgroup").splitlines() for part in line.split("/")}
    return any(part == container_id or part.endswith(f"-{container_id}.scope") for part in parts)


def netns(pid: int, proc: Path = PROC) -> Netns | None:
    """The network namespace of a process; None where it is the host's, or ours, or cannot be known."""
    inode = _inode(proc / str(pid))
    if not inode or inode in (_inode(proc / "1"), _inode(proc / "self")):
        return None
    folder = proc / str(pid) / "net"
    return Netns(inode, (*_v4(_text(folder / "fib_trie")), *_v6(_text(folder / "if_inet6"))))


def _inode(folder: Path) -> int:
    try:
        return os.stat(folder / "ns" / "net").st_ino
    except OSError:
        return 0


def _v4(trie: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in _LOCAL.findall(trie) if not one.startswith("127.")))


def _v6(lines: str) -> tuple[str, ...]:
    return tuple(str(IPv6Address(int(digits, 16))) for digits in _GLOBAL.findall(lines))


def _text(path: Path) -> str:
    """The file, "" where the process has gone."""
    try:
        return path.read_text()
    except OSError:
        return ""

"""What the kernel saw of processes and cgroups when they began (bpf/processes.bpf.c), and /proc of the living."""

import os
import pwd
import struct
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from rubin.kernel.maps import Map
from rubin.model.tables import Process


class Executables:
    """`path(pid)` of what a process executes: by /proc while it lives, else as its exec asked for it; "" not known."""

    def __init__(self, seen: Map | None) -> None:
        self._seen = seen

    def path(self, pid: int) -> str:
        """The path, in the process's own view of the files."""
        with suppress(OSError):  # it has gone, or is a kernel thread
            return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
        return _text(self._seen, pid, "=I")


class CgroupPaths:
    """`path(id)` of a cgroup that was made since the programs run; "" for others."""

    def __init__(self, seen: Map | None) -> None:
        self._seen = seen

    def path(self, number: int) -> str:
        """The path from the root of its hierarchy."""
        return _text(self._seen, number, "=Q")


def _text(seen: Map | None, number: int, form: str) -> str:
    """The text behind a number, where the place that its lowest bits name is its own."""
    if seen is None:
        return ""
    with suppress(OSError):
        value = seen.lookup(struct.pack("=I", number & seen.max_entries - 1)) or bytes(8)
        if struct.unpack_from(form, value)[0] == number:
            return value[struct.calcsize(form) :].split(b"\0")[0].decode(errors="replace")
    return ""


def living(pid: int, since_ns: int) -> Process | None:
    """A process of this machine as its sockets' flows would have it, None where it does not live since a time."""
    place = Path(f"/proc/{pid}")
    try:
        if _began_ns((place / "stat").read_text()) > since_ns:
            return None
        uid = place.stat().st_uid
        command = (place / "comm").read_text().rstrip("\n")
        netns = os.stat(place / "ns" / "net").st_ino
        lines = [line.split(":", 2) for line in (place / "cgroup").read_text().splitlines()]
    except OSError:
        return None
    paths = {kind: path for _, kind, path in lines if kind in ("", "pids")}
    # in a cgroup namespace others' paths begin with "/.."; what follows names them all the same
    paths = {kind: path.replace("/..", "") for kind, path in paths.items()}
    path = next((found for found in (paths.get(""), paths.get("pids")) if found and found != "/"), "/")
    return Process(pid, command, uid, 0, path, 0, netns, executable=Executables(None).path(pid), user=user(uid))


def _began_ns(stat: str) -> int:
    """When the process of a /proc/PID/stat began, ns since the epoch, to a tick (proc(5), field 22)."""
    ticks, a_second = int(stat.rpartition(")")[2].split()[19]), os.sysconf("SC_CLK_TCK")
    began_ns: int = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME) + ticks * 1_000_000_000 // a_second
    return began_ns


@lru_cache(1024)
def user(uid: int) -> str:
    """The name of a user of this machine, "" where it has none."""
    with suppress(KeyError, OverflowError):
        return pwd.getpwuid(uid).pw_name
    return ""

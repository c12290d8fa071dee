"""What runs in the world: each process in the demo's cgroup, and, where it has one, in its namespace."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from demo.place import FOLDER, PREFIX, cgroup

PIPE = subprocess.PIPE
# Joins its cgroup before it becomes the program, so that not a single socket is elsewhere.
JOIN = 'echo $$ >"$0" && exec "$@"'
# `ip netns exec` gives a mount namespace of its own, in which another resolv.conf disturbs nobody.
RESOLVE = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
SEARCH = "search default.svc.cluster.local\noptions ndots:2 timeout:1\n"


def start(name: str, command: Sequence[str], stdout: int | None = None) -> "subprocess.Popen[str]":
    """A process on the machine itself; what it complains of goes to FOLDER/name.log."""
    group = cgroup() / name
    group.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}.log").open("a") as log:
        return subprocess.Popen(
            ["sh", "-c", JOIN, str(group / "cgroup.procs"), *command],
            stdin=subprocess.DEVNULL, stdout=log if stdout is None else stdout, stderr=log, text=True,
            start_new_session=True, env=_environment(),
        )  # fmt: skip


def start_in(namespace: str, dns: str, command: Sequence[str]) -> "subprocess.Popen[str]":
    """A process in a network namespace that asks the DNS server `dns` for names."""
    resolv = FOLDER / f"{namespace}.resolv.conf"
    resolv.write_text(f"nameserver {dns}\n{SEARCH}")
    inside = ["ip", "netns", "exec", namespace, "sh", "-c", RESOLVE, str(resolv), *command]
    return start(namespace.removeprefix(PREFIX), inside)


def log_of(name: str) -> Path:
    """Where the words of a process go."""
    return FOLDER / f"{name}.log"


def _environment() -> dict[str, str]:
    """Without what would lead clients astray, proxies above all."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, "LC_ALL": "C.UTF-8", "PATH": f"{kept.get('PATH', '')}:/usr/sbin:/sbin"}

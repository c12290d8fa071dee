"""Processes that live for milliseconds, in cgroups of 20 containers and on the host, against their own account.

Each makes one connection to a server and says who it is; the server writes down who asked from which port.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import world
from bench.figures import Figures
from bench.running import agent
from rubin.kernel import cgroups

_CONTAINERS, _RATE = 20, 200
Truth = dict[int, list[tuple[int, int, str]]]
"""When a process began to connect, its pid and its cgroup, by its port."""


@contextmanager
def _cgroup(path: Path) -> Iterator[Path]:
    path.mkdir()
    try:
        yield path
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            return path.rmdir()
        except OSError:  # its last process has not gone yet
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def measure(figures: Figures, folder: Path, seconds: float) -> None:
    """`right_owner_percent`, `wrong_owner_flows`: of the flows at the processes' own sockets."""
    with ExitStack() as stack:
        load = stack.enter_context(world.load_tool())
        ids = [f"{number:064x}" for number in range(1, _CONTAINERS + 1)]
        root = stack.enter_context(_cgroup(Path(cgroups.mount()) / "rubin-bench"))
        homes = [str(stack.enter_context(_cgroup(root / number))) for number in ids]
        names = folder / "names.toml"
        names.write_text("\n".join(_pod(number) for number in ids))
        running = stack.enter_context(agent(folder, "--names", str(names)))
        made = subprocess.run(
            [load, "tcp-owners", str(seconds), str(_RATE), *homes], check=True, capture_output=True, text=True
        )
        truth: Truth = {}
        for line in made.stdout.splitlines():
            port, number, begin_ns, where = line.split()
            truth.setdefault(int(port), []).append((int(begin_ns), int(number), where))
        time.sleep(0.5)  # the connections' ends come with the next reading
        flows = [json.loads(line) for line in running.observe("--all", "-o", "columns").splitlines()]
    right = wrong = unknown = 0
    for flow in flows:
        said = _local(flow, truth)
        if said is None:
            continue
        pid, home, found_pid, found_pod = said
        pod = f"pod-{int(Path(home).name, 16)}" if home != "-" else "load"
        if found_pid == 0:
            unknown += 1
        elif (found_pid, found_pod) == (pid, pod):
            right += 1
        else:
            wrong += 1
    connections = sum(map(len, truth.values()))
    if right + wrong + unknown < connections:
        raise AssertionError(f"{connections} connections, and {right + wrong + unknown} flows")
    figures.add("right_owner_percent", 100 * right / (right + wrong + unknown))
    figures.add("wrong_owner_flows", wrong)
    figures.add("owner_processes_per_second", connections / seconds)


def _local(flow: dict[str, Any], truth: Truth) -> tuple[int, str, int, str] | None:
    """(true pid, true home, pid, pod) of a flow at a client's own socket; None for all others.

    Ports are used again after a second.
    """
    side, port = (
        ("source", "source_port") if flow.get("trace_point") == "TO_STACK" else ("destination", "destination_port")
    )
    if flow.get("event_type") != "TRACE" or flow.get(port) not in truth:
        return None
    _, pid, home = max(one for one in truth[flow[port]] if one[0] <= flow["time_ns"])
    endpoint = flow.get(f"{side}_endpoint", {})
    return pid, home, flow.get("process", {}).get("pid", 0), endpoint.get("pod_name", "")


def _pod(number: str) -> str:
    return f'[[pods]]\nname = "pod-{int(number, 16)}"\ncgroups = ["/rubin-bench/{number}"]'

"""Who is behind a local socket: the process that serves, its executable, its cgroup, whom it asked for."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rubin.kernel import cgroups
from rubin.model import addresses
from rubin.model.batch import FlowBatch
from rubin.model.enums import EventType, TracePoint
from tests.kernel.conftest import network_namespace
from tests.kernel.live import script, watch
from tests.kernel.programs import EMULATED


def run(what: str, *arguments: str, prefix: tuple[str, ...] = ()) -> dict[str, object]:
    """What a process of tests/kernel/serving.py says of its connections."""
    command = [*prefix, *script("serving.py", what, *arguments)]
    return dict(json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout))


def of_ports(flows: FlowBatch, ports: set[int]) -> list[dict[str, int]]:
    """Traces of connections from these ports: which end, by which process."""
    flows = flows.take(flows["event_type"] == EventType.TRACE)
    out = flows["trace_point"] == TracePoint.TO_STACK
    found = []
    for index, process in enumerate(flows.rows("process")):
        pair = int(flows["source_port"][index]), int(flows["destination_port"][index])
        mine = next((port for port in pair if port in ports), None)
        if mine is not None:
            client = (pair[0] == mine) == bool(out[index])
            found.append({"port": mine, "client": client, "pid": process.pid})
    return found


CGROUPS = ("v2", "v1")
SHORT = "8" if EMULATED else "20"  # processes, each with an executable to start


def in_cgroup(version: str) -> dict[str, object]:
    """What a process says that ran in a cgroup of its own, now gone; nothing where there is no such hierarchy."""
    root = cgroups.mount() if version == "v2" else cgroups.mount_v1()
    if not root:
        return {}
    folder = Path(root) / f"rubin-test-{os.getpid()}"
    folder.mkdir()
    try:
        enter = ("sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh")
        return {**run("short", "1", prefix=enter), "cgroup": folder.name}
    finally:
        folder.rmdir()


SERVERS = {"workers": 0.9, "fork_each": 0.9, "threads": 0.9, "datagrams": 0.7}
Seen = dict[str, tuple[dict[str, object], FlowBatch]]


@pytest.fixture(scope="module")
def seen() -> Seen:
    """What each kind said, and the flows until the next. One live source, because loading it is slow in emulation."""
    said, begun_ns = {}, []
    with watch() as watching:
        for what in (*SERVERS, "short", *CGROUPS):
            begun_ns.append(time.time_ns())
            said[what] = in_cgroup(what) if what in CGROUPS else run(what, *((SHORT,) if what == "short" else ()))
        flows = watching.end()
    turns = np.searchsorted(begun_ns, flows["time_ns"], side="right") - 1
    return {what: (told, flows.take(turns == turn)) for turn, (what, told) in enumerate(said.items())}


@pytest.mark.parametrize(("what", "known_of"), SERVERS.items())
def test_a_connection_is_the_processs_that_serves_it(what: str, known_of: float, seen: Seen) -> None:
    said, flows = seen[what]
    truth = {int(port): pid for port, pid in dict(said["served_by"]).items()}  # type: ignore[call-overload]
    rows = of_ports(flows, set(truth))
    wrong = [row for row in rows if row["pid"] and row["pid"] != (said["pid"] if row["client"] else truth[row["port"]])]
    assert not wrong
    known = [row for row in rows if row["pid"]]
    assert {(row["port"], row["client"]) for row in known} == {(port, end) for port in truth for end in (True, False)}
    # the rest: a handshake whose server was slow, the kernel's own ACKs out of TIME_WAIT (before 6.13); how long one
    # waits for the other is tested without a clock, in tests/kernel_unit/test_served.py
    assert len(known) >= known_of * len(rows)  # a datagram that comes in is nobody's, its answer somebody's


def test_the_executable_of_a_process_that_has_gone_is_known(seen: Seen) -> None:
    said, flows = seen["short"]
    rows = [process for process in flows.rows("process") if process.pid in set(said["pids"])]  # type: ignore[call-overload]
    assert {process.pid for process in rows} == set(said["pids"])  # type: ignore[call-overload]
    assert {process.command for process in rows} == {Path(sys.executable).name}
    assert all(Path(process.executable).name.startswith("python") for process in rows)
    assert {process.user for process in rows} == {"root"}


@pytest.mark.parametrize("version", CGROUPS)
def test_the_cgroup_of_a_process_is_known_also_when_it_has_gone(version: str, seen: Seen) -> None:
    said, flows = seen[version]
    if not said:
        pytest.skip("this machine has no v1 hierarchy of pids")
    paths = {process.cgroup for process in flows.rows("process") if process.pid in said["pids"]}  # type: ignore[operator]
    assert paths == {f"/{said['cgroup']}"}


NAT = {
    "ip": ("10.96.0.99", "10.96.0.10", "127.0.0.1", "127.0.0.1:8080"),
    "ip6": ("fd00:96::99", "fd00:96::10", "fd00:96::99", "[fd00:96::99]:8080"),
}


@pytest.fixture(scope="module")
def translated() -> dict[str, FlowBatch]:
    """The flows of a connection of each family that NAT sends elsewhere."""
    said = {}
    with network_namespace():
        for family, (own, asked, _, target) in NAT.items():
            chain = f"type nat hook output priority -100; {family} daddr {asked} tcp dport 80 dnat to {target}"
            for command in (
                ("ip", "addr", "add", own, "dev", "lo", *(("nodad",) if family == "ip6" else ())),
                ("ip", "route", "add", asked, "dev", "lo"),
                ("nft", f"table {family} n {{ chain out {{ {chain}\n }}\n }}\n"),
            ):
                subprocess.run(command, check=True)
        with watch() as watching:
            for family, (_, asked, server, _) in NAT.items():
                said[family] = run("translated", asked, server)["port"]
            flows = watching.end()
    ports = flows["source_port"], flows["destination_port"]
    return {family: flows.take((ports[0] == port) | (ports[1] == port)) for family, port in said.items()}


@pytest.mark.parametrize("family", NAT)
def test_where_nat_sends_a_connection_elsewhere_both_are_told(family: str, translated: dict[str, FlowBatch]) -> None:
    _, asked, server, _ = NAT[family]
    flows = translated[family]
    told = [row.translation for row in flows.rows("contents")]
    talks = [
        {addresses.text(*pair) for pair in ((high, low), (other_high, other_low))}
        for high, low, other_high, other_low in zip(
            *(flows[name] for name in ("source_high", "source_low", "destination_high", "destination_low")), strict=True
        )
    ]
    of_client = [index for index, one in enumerate(told) if one is not None]
    assert len(of_client) >= 4
    assert {(one.address, one.port) for one in told if one is not None} == {(asked, 80)}
    assert all(server in talks[index] and asked not in talks[index] for index in of_client)

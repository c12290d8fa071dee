"""The live source on real traffic: right, in time, complete, and gone when it ends, however it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rubin.kernel import btf, syscall
from rubin.model.enums import EventType
from rubin.sources.live import Live
from tests.kernel.conftest import ip
from tests.kernel.live import between, peer, settings, watch
from tests.waiting import wait_for

SOURCE = Path(__file__).parents[2] / "src"


def test_what_does_not_fit_into_the_ring_is_counted_exactly() -> None:
    with watch(aggregation="none", ring_bytes=1 << 16, messages=False) as watching:
        peer("flood", 20_000)
        flows = watching.end()
        status = watching.live.status()
        lost = sum(loss.events for loss in flows.lost)
        assert len(flows) == status.tallies["records"] == status.records_read
        assert lost == sum(loss.records for place, loss in status.losses.items() if "ring" in place)
        assert lost > 0
        sent = flows.take(flows["event_type"] == EventType.TRACE)
        assert int(sent["packets"].sum()) + sum(loss.packets for loss in status.losses.values()) >= 20_000


@pytest.mark.usefixtures("namespace")
def test_new_interfaces_are_watched_as_they_come() -> None:
    with watch(vantages=("interfaces",), interfaces=("rubin-*", "lo")) as watching:

        def attached() -> set[str]:
            return {name.removesuffix(" (clsact)") for name in watching.live.status().attached}

        ip("link add rubin-a type veth peer name rubin-b")
        names = {f"rubin_{way} at rubin-{end}" for way in ("ingress", "egress") for end in "ab"}
        watching.until(lambda _: names <= attached())
        said = peer("udp", 3)
        flows = between(watching.until(lambda flows: len(between(flows, said)) > 0), said)
        assert {link.name for link in flows.rows("link")} == {"lo"}
        ip("link del rubin-a")
        watching.until(lambda _: not names & attached())


def test_closing_in_the_middle_of_the_iteration_ends_it_and_closing_the_next_twice_before_it_does_no_harm() -> None:
    live = Live(settings(aggregation="none"))
    peer("udp", 5)
    for _ in live:
        live.close()
    following = Live(settings())
    following.close()
    following.close()
    following.stop()
    assert list(following) == []
    assert following.status().records_read == 0


AGENT = """
import json, os, sys
from rubin.kernel.syscall import program_info
from rubin.sources.live import Live, LiveSettings
live = Live(LiveSettings(lock_name="rubin/test/killed"))
print(json.dumps([program_info(fd).id for fd in live.probes.objects.programs().values()]), flush=True)
for batch in live:
    pass
live.close()
"""


def agent(prefix: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", AGENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def unprivileged(capabilities: str) -> tuple[str, ...]:
    names = f"-all,{capabilities}" if capabilities else "-all"
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    return (*user, f"--inh-caps={names}", f"--ambient-caps={names}", f"--bounding-set={names}")


def test_three_capabilities_are_enough_and_a_killed_agent_leaves_nothing_behind() -> None:
    """Before 6.2 libbpf looks for a kernel function of ours in modules, too, and may not without CAP_SYS_ADMIN."""
    with btf.of_kernel() as types:
        more = "" if types.has_function("bpf_cast_to_kern_ctx") else ",+sys_admin"
    with agent(unprivileged(f"+bpf,+net_admin,+perfmon{more}")) as killed:
        assert killed.stdout is not None
        assert killed.stderr is not None
        ours = set(json.loads(killed.stdout.readline() or "[]"))
        if len(ours) >= 10:
            assert ours <= set(syscall.program_ids())
            peer("tcp", 1000)
        killed.send_signal(signal.SIGKILL)
        assert len(ours) >= 10, killed.stderr.read()
    wait_for(lambda: not ours & set(syscall.program_ids()), "its programs to go", 10)
    assert peer("tcp", 1000)["received"] == 1000


@pytest.mark.parametrize(
    ("capabilities", "missing"),
    [("", "CAP_BPF"), ("+bpf,+net_admin", "CAP_PERFMON"), ("+bpf,+perfmon", "CAP_NET_ADMIN")],
)
def test_without_them_it_says_which_are_missing(capabilities: str, missing: str) -> None:
    with agent(unprivileged(capabilities)) as started:
        assert started.stderr is not None
        said = started.stderr.read()
    assert f"watching this machine needs {'' if capabilities else 'CAP_NET_ADMIN'}" in said
    assert missing in said

"""The live source on real traffic: right, in time, complete, and gone when it ends, however it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rubin.kernel import btf, syscall
from rubin.model.enums import EventType, TracePoint
from rubin.sources.live import Live
from tests.kernel.conftest import ip
from tests.kernel.live import Watching, between, peer, script, settings, watch
from tests.kernel.programs import EMULATED

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture
def watching() -> Iterator[Watching]:
    with watch() as item:
        yield item


def test_a_connection_older_than_the_agent_has_its_owner_and_its_opener() -> None:
    with subprocess.Popen(script("peer.py", "old", 1000), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        with watch() as watching:
            process.stdin.write(b"go\n")
            process.stdin.close()
            flows = between(watching.until(lambda flows: bool((between(flows, said)["tcp_flags"] & 1).any())), said)
    assert {owner.pid for owner in flows.rows("process")} <= {said["pid"], 0}
    assert said["pid"] in {owner.pid for owner in flows.rows("process")}
    known = flows.take(flows["is_reply"] >= 0)  # the client's side learns it from the listener's
    assert len(known)
    assert (known["is_reply"] == (known["source_port"] == said["destination_port"])).all()


def test_a_flow_is_visible_within_200_ms(watching: Watching) -> None:
    late = []
    for _ in range(5 if EMULATED else 10):
        said = peer("udp", 1)
        watching.until(lambda flows, said=said: len(between(flows, said)) > 0)  # type: ignore[misc]
        late.append(watching.late_ns(said))
    # Emulated, what the reader does between two of its looks takes ten times as long.
    assert sorted(late)[len(late) // 2] < (400_000_000 if EMULATED else 200_000_000)


def test_all_packets_and_bytes_are_told_at_both_ends(watching: Watching) -> None:
    said = peer("udp", 5000)
    flows = between(watching.end(), said)
    for point in (TracePoint.TO_STACK, TracePoint.TO_ENDPOINT):
        seen = flows.take(flows["trace_point"] == point)
        assert (int(seen["packets"].sum()), int(seen["bytes"].sum())) == (5000, 5000 * 128)
    assert len(flows) < 50  # told by aggregation, not one by one


def test_what_does_not_fit_into_the_ring_is_counted_exactly() -> None:
    with watch(aggregation="none", ring_bytes=1 << 16) as watching:
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


def test_after_the_end_nothing_is_attached(watching: Watching) -> None:
    assert watching.live.status().attached
    watching.end()
    assert watching.live.status().attached == ()


def test_closing_twice_and_before_iterating_does_no_harm() -> None:
    live = Live(settings())
    live.close()
    live.close()
    live.stop()
    assert list(live) == []
    assert live.status().records_read == 0


def test_closing_in_the_middle_of_the_iteration_ends_it() -> None:
    live = Live(settings(aggregation="none"))
    peer("udp", 5)
    for _ in live:
        live.close()
    Live(settings()).close()


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


def test_a_killed_agent_leaves_nothing_behind() -> None:
    with agent() as killed:
        assert killed.stdout is not None
        ours = set(json.loads(killed.stdout.readline()))
        assert ours <= set(syscall.program_ids())
        peer("tcp", 1000)
        killed.send_signal(signal.SIGKILL)
    end = time.monotonic() + 10
    while ours & set(syscall.program_ids()):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert peer("tcp", 1000)["received"] == 1000


def unprivileged(capabilities: str) -> tuple[str, ...]:
    names = f"-all,{capabilities}" if capabilities else "-all"
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    return (*user, f"--inh-caps={names}", f"--ambient-caps={names}", f"--bounding-set={names}")


def test_three_capabilities_are_enough() -> None:
    """Before 6.2 libbpf looks for a kernel function of ours in modules, too, and may not without CAP_SYS_ADMIN."""
    with btf.of_kernel() as types:
        more = "" if types.has_function("bpf_cast_to_kern_ctx") else ",+sys_admin"
    with agent(unprivileged(f"+bpf,+net_admin,+perfmon{more}")) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        line = started.stdout.readline()
        started.kill()
        assert len(json.loads(line or "[]")) >= 10, started.stderr.read()


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

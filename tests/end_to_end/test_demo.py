"""The demo: four questions answered, both ends named without Kubernetes, and nothing left behind however it ends."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from demo import place
from demo.scenarios import SCENARIOS, WITHOUT_KUBERNETES
from tests.waiting import wait_for
from tools.dev.say import ROOT

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def start(*flags: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "demo", *flags], cwd=ROOT, env=ENVIRONMENT, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


WORLD, CONTAINERS = 6, 2  # network namespaces


def others() -> dict[str, bool]:
    """Folders that containerd would use, and whether they are there."""
    return {folder: Path(folder).exists() for folder in ("/run/containerd", "/opt/containerd", "/var/lib/containerd")}


OTHERS = others()


def is_up() -> bool:
    return len(place.namespaces()) == WORLD + CONTAINERS and (place.cgroup() / "agent").exists()


def nothing_is_left() -> bool:
    cgroups = [
        *Path("/sys/fs/cgroup").glob(f"*/{place.cgroup().name}"),
        *Path("/sys/fs/cgroup").glob(place.cgroup().name),
    ]
    return not (place.namespaces() or cgroups or place.FOLDER.exists()) and others() == OTHERS


def test_all_questions_are_answered_and_all_who_talk_are_named():
    demo = start("--once")
    out, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, out
    for scenario in SCENARIOS:
        rates = re.findall(rf"^{scenario.title} +(\d+\.\d+) flows/s", out, re.MULTILINE)
        assert [float(rate) > 0 for rate in rates] == [True], out
        assert re.search(rf"^{scenario.title} +\S.*: default/|^{scenario.title} +\S.* default/", out, re.MULTILINE), out
    for scenario in WITHOUT_KUBERNETES:
        (source,), (destination,) = scenario.sources, scenario.destinations
        assert re.search(rf"^{scenario.title} +\S.*: {source}:\d+ .* -> {destination}:\d+ ", out, re.MULTILINE), out
    (first,) = re.findall(r"^first_flow_s +(\d+\.\d+)$", out, re.MULTILINE)
    assert float(first) < 5  # 2 on a machine that does nothing else
    assert nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("early", [True, False])
def test_nothing_is_left_when_the_demo_is_ended_in_the_middle(number, early):
    demo = start()
    wait_for((place.FOLDER / "image.tar").exists if early else is_up, "the world", 20)
    processes = [
        int(pid) for path in place.cgroup().rglob("cgroup.procs") for pid in path.read_text().split() if int(pid)
    ]
    demo.send_signal(number)
    out, _ = demo.communicate(timeout=30)
    wait_for(nothing_is_left, f"everything to be gone after\n{out}", 20)
    assert [pid for pid in processes if _runs(pid)] == []


def test_a_second_demo_says_that_one_is_running_and_leaves_it_alone():
    first = start()
    try:
        wait_for(is_up, "the world", 20)
        second = start()
        out, _ = second.communicate(timeout=20)
        assert second.returncode == 1
        assert out.startswith("rubin: a demo is already running on this machine\n  try: ")
        assert is_up()
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=30)
    assert nothing_is_left()


def _runs(pid: int) -> bool:
    """A zombie no longer runs: nobody but the machine's first process can bury it."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False

"""The demo: four questions answered, both ends named without Kubernetes, a shop's requests told without its secrets,
and nothing left behind however it ends.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from demo import place
from demo.scenarios import SCENARIOS, SHOP, WITHOUT_KUBERNETES
from demo.shop.hidden import MARK, NAME, NOTE, TOKEN
from demo.shop.servers import ROWS
from tests.waiting import wait_for
from tools.dev.say import ROOT

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
SERVERS = ("front", "checkout", "app", "prices", "postgres", "redis", "dns", "customers")


def start(*flags: str, before: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*before, sys.executable, "-m", "demo", *flags], cwd=ROOT, env=ENVIRONMENT, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


WORLD, CONTAINERS = 6, 2  # network namespaces


def others() -> dict[str, object]:
    """What containerd and PostgreSQL would leave on the machine: folders, shared memory."""
    folders = ("/run/containerd", "/opt/containerd", "/var/lib/containerd")
    return {
        **{folder: Path(folder).exists() for folder in folders},
        "System V": Path("/proc/sysvipc/shm").read_text().count("\n"),
        "POSIX": sorted(path.name for path in Path("/dev/shm").glob("PostgreSQL.*")),
    }


OTHERS = others()


def is_up() -> bool:
    shop = all((place.cgroup() / "shop" / f"{name}.scope").exists() for name in SERVERS)
    return shop and len(place.namespaces()) == WORLD + CONTAINERS and (place.cgroup() / "agent").exists()


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
    for scenario in SHOP:
        (source,), (destination,) = scenario.sources, scenario.destinations
        kinds = "|".join(scenario.protocols)
        ends = rf"{source}:\d+ \(host\) (->|<-) {destination}:\d+ \(host\)"
        shown = re.findall(
            rf"^{scenario.title} +\S.*: {ends} (?:{kinds})-(request|response) .*\(.+\)$", out, re.MULTILINE
        )
        assert {("->", "request"), ("<-", "response")} <= set(shown), out
    _, _, top = out.partition(f"$ rubin top -n {ROWS} --cgroup /rubin-demo/shop\n")
    assert re.match(r"[\d,]+ requests in \d+s, [\d.]+/s, \d+ errors? \(\S+%\).*\n\nPROTOCOL ", top), out
    assert len(top.splitlines()) == 3 + ROWS
    assert "GET /items/*" in top
    assert MARK not in out
    (first,) = re.findall(r"^first_flow_s +(\d+\.\d+)$", out, re.MULTILINE)
    assert float(first) < 5  # 2 on a machine that does nothing else (`./dev bench cli`)
    assert nothing_is_left()


def test_without_its_servers_the_shop_is_left_out_aloud_and_the_rest_runs():
    hide = 'mount -t tmpfs tmpfs /usr/lib/postgresql && exec "$0" "$@"'
    demo = start("--once", before=("unshare", "--mount", "--propagation", "slave", "sh", "-c", hide))
    out, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, out
    assert out.startswith("· without the shop: this machine lacks postgresql (Debian's names)\n")
    assert all(scenario.title in out for scenario in (*SCENARIOS, *WITHOUT_KUBERNETES))
    assert "\nshop: " not in out
    assert "rubin top" not in out
    assert nothing_is_left()


def test_secrets_are_in_the_traffic_and_in_nothing_that_the_agent_says():
    demo = start()
    try:
        wait_for(is_up, "the world", 20)
        wait_for(
            lambda: all(f"/{name}.scope" in asked("top", "--by", "service") for name in SERVERS[:-1]),
            "requests to all",
            30,
        )
        wire = ""

        def is_complete() -> bool:
            nonlocal wire
            command = ["timeout", "3", "tcpdump", "-i", "lo", "-A", "-s", "0"]
            wire += subprocess.run(command, capture_output=True, check=False).stdout.decode(errors="replace")
            return all(secret in wire for secret in (TOKEN, NAME, NOTE))

        wait_for(is_complete, "all secrets on the wire", 3)
        said = [asked("observe", "--all", "-o", kind) for kind in ("json", "wide")]
        said += [asked("top", "-n", "0", "-o", kind) for kind in ("json", "wide")]
    finally:
        demo.send_signal(signal.SIGTERM)
        out, _ = demo.communicate(timeout=30)
    assert all("basket:" in text for text in said)
    assert all(MARK not in text for text in (*said, out))


def asked(*words: str) -> str:
    """What the demo's agent answers; "" where it is not there yet."""
    command = [str(Path(sys.executable).with_name("rubin")), *words, "--server", f"unix://{place.FOLDER}/rubin.sock"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


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

"""A cluster of 50,000 pods: how long until all names are known, in how much memory, and how late a change is.

`python -m bench.pods serve COUNT` is the API server, `python -m bench.pods ask PORT COUNT` the one that asks it; each
in a process of its own, so that neither's memory and time are taken for the other's.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.figures import Figures
from rubin.identity.facts import Fact
from rubin.identity.kubernetes.provider import Kubernetes
from rubin.identity.kubernetes.settings import KubernetesSettings
from tests.identity.kubernetes.apiserver import ApiServer
from tests.identity.kubernetes.objects import namespace, node
from tests.identity.kubernetes.world import VERSION, Stored, World

_POD = Path(__file__).parents[1] / "tests/identity/kubernetes/recorded/pod.json"
_PER_NODE, _PER_WORKLOAD, _PER_NAMESPACE = 100, 50, 1_000
_RATE, _SECONDS = 1_000, 5.0
_STAMP = "sent-ns"


def measure_start(figures: Figures, count: int = 50_000, streams_lists: bool = True) -> None:
    """`pods_COUNT_start_s`, `pods_COUNT_mb`, `pod_changes_per_second`, `late_name_s`.

    The start is from the provider's construction until the facts of all pods have been taken; the memory what the
    process has more then, with all facts kept. Lateness is from a change in the API until its fact can be taken.
    """
    way = "" if streams_lists else "_listed"
    with serve_pods(count, streams_lists) as server:
        asking = [sys.executable, "-m", "bench.pods", "ask", str(server.port), str(count)]
        with subprocess.Popen(asking, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            start = json.loads(process.stdout.readline())
            server.churn(_RATE, _SECONDS)
            changes = json.loads(process.stdout.readline())
    figures.add(f"pods_{count}{way}_start_s", start["seconds"])
    figures.add(f"pods_{count}{way}_mb", start["mb"])
    figures.add(f"pods_{count}{way}_peak_mb", start["peak_mb"])
    figures.add("pod_changes_per_second", changes["per_second"])
    figures.add("pod_changes_cpu_percent", changes["cpu_percent"])
    figures.add("late_name_s", changes["late_s"])
    figures.add("late_name_most_s", changes["late_most_s"])


class _Server:
    """An API server in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.port = int(self._line())

    def churn(self, rate: int, seconds: float) -> None:
        """Begin to change so many pods a second."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{rate} {seconds}\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def serve_pods(count: int, streams_lists: bool = True) -> Iterator[_Server]:
    """A server with so many pods, as long as the block lasts; it begins when the server can be asked."""
    command = [sys.executable, "-m", "bench.pods", "serve", str(count), "stream" if streams_lists else "list"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        try:
            yield _Server(process)
        finally:
            process.terminate()
            process.wait(30)


def _serve(count: int, streams_lists: bool) -> None:
    """Serve until terminated; a line `RATE SECONDS` on standard input changes pods."""
    world = World()
    world.load("pods", map(_pod, range(count)))
    for number in range(count // _PER_NAMESPACE + 1):
        world.put("namespaces", namespace(f"team-{number}", team=f"{number % 7}"))
    for number in range(count // _PER_NODE + 1):
        world.put("nodes", node(f"node-{number}", f"192.0.{number // 250}.{number % 250 + 1}"))
    with ApiServer(world=world) as api:
        api.streams_lists = streams_lists
        print(api.port, flush=True)
        for line in sys.stdin:
            rate, seconds = line.split()
            _churn(world, count, int(rate), float(seconds))


def _churn(world: World, count: int, rate: int, seconds: float) -> None:
    begun = time.monotonic()
    for number in range(int(rate * seconds)):
        # strides over the whole cluster: no pod comes twice
        world.put_stored("pods", _pod(number * 9_973 % count, time.time_ns()))
        time.sleep(max(0.0, begun + number / rate - time.monotonic()))


def _pod(number: int, stamp: int = 0) -> Stored:
    """A pod as kubelet and controller leave it; the stamp is the value of a label."""
    workload, place = number // _PER_WORKLOAD, number // _PER_NODE
    name, home = f"shop-{workload}-9ccd8f67f-{number:05x}", f"team-{number // _PER_NAMESPACE}"
    fields = {
        "name": name,
        "namespace": home,
        "uid": f"{number:08x}-0000-4000-8000-000000000000",
        "workload": f"shop-{workload}",
        "node": f"node-{place}",
        "address": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
        "container": f"{number:064x}",
        "stamp": f',"{_STAMP}":"{stamp}"' if stamp else "",
    }
    head = {"metadata.name": name, "metadata.namespace": home}
    chosen = {**head, "spec.nodeName": fields["node"], "status.phase": "Running"}
    return Stored(
        home, name, 500, {}, chosen, _TEMPLATE % {key.encode(): text.encode() for key, text in fields.items()}
    )


def _template() -> bytes:
    """The recorded pod, with places for what differs from pod to pod."""
    made = json.loads(_POD.read_text())
    found = json.dumps(made, separators=(",", ":")).replace("%", "%%")
    metadata, status = made["metadata"], made["status"]
    marks = {
        f'"resourceVersion":"{metadata["resourceVersion"]}"': f'"resourceVersion":"{VERSION}"',
        f'"namespace":"{metadata["namespace"]}"': '"namespace":"%(namespace)s"',
        f'"app":"{metadata["labels"]["app"]}"': '"app":"%(workload)s"%(stamp)s',
        metadata["name"]: "%(name)s",
        metadata["ownerReferences"][0]["name"]: "%(workload)s-9ccd8f67f",
        metadata["uid"]: "%(uid)s",
        f'"nodeName":"{made["spec"]["nodeName"]}"': '"nodeName":"%(node)s"',
        status["podIP"]: "%(address)s",
        status["containerStatuses"][0]["containerID"].rpartition("/")[2]: "%(container)s",
    }
    for text, mark in marks.items():
        found = found.replace(text, mark)
    return found.encode()


_TEMPLATE = _template()


def _ask(port: int, count: int) -> None:
    """Print a JSON line when all pods are known, and one after the changes."""
    with TemporaryDirectory(prefix="rubin-bench-") as folder:
        path = Path(folder) / "kubeconfig"
        path.write_text(json.dumps(_kubeconfig(port)))
        before = _rss_mb()
        begun = time.monotonic()
        provider = Kubernetes(KubernetesSettings(str(path), "node-0"))
        try:
            held = _all(provider, count)
            start = {
                "seconds": time.monotonic() - begun,
                "mb": _rss_mb() - before,
                "peak_mb": _rss_mb("VmHWM") - before,
            }
            print(json.dumps(start), flush=True)
            print(json.dumps(_changes(provider, held)), flush=True)
        finally:
            provider.close()


def _all(provider: Kubernetes, count: int) -> dict[str, Sequence[Fact]]:
    """The facts of all pods."""
    held: dict[str, Sequence[Fact]] = {}
    end = time.monotonic() + 120
    while sum(key.startswith("pod/") for key in held) < count or "not read" in provider.status():
        if time.monotonic() > end:
            raise AssertionError(provider.status())
        held.update(provider.changes())
        time.sleep(0.1)  # as often as the line asks
    return held


def _changes(provider: Kubernetes, held: dict[str, Sequence[Fact]]) -> dict[str, float]:
    """How late each of the changes was, while they came at a steady rate."""
    late: list[float] = []
    expected = int(_RATE * _SECONDS)
    end = time.monotonic() + 10 * _SECONDS
    begun, spent = 0.0, 0.0
    while len(late) < expected and time.monotonic() < end:
        changed, now = provider.changes(), time.time_ns()
        if changed and not begun:
            begun, spent = time.monotonic(), time.process_time()
        held.update(changed)
        late += [(now - _stamp(facts)) / 1e9 for facts in changed.values() if _stamp(facts)]
        time.sleep(0.005)
    seconds = time.monotonic() - begun
    if len(late) < expected:
        raise AssertionError(f"{len(late)} of {expected} changes came: {provider.status()}")
    return {
        "per_second": len(late) / seconds,
        "cpu_percent": 100 * (time.process_time() - spent) / seconds,
        "late_s": sorted(late)[len(late) // 2],
        "late_most_s": max(late),
    }


def _stamp(facts: Sequence[Fact]) -> int:
    head = f"k8s:{_STAMP}="
    return next((int(text[len(head) :]) for text in facts[0].who.labels if text.startswith(head)), 0) if facts else 0


def _kubeconfig(port: int) -> dict[str, Any]:
    return {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "one", "user": "me"}}],
        "clusters": [{"name": "one", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "me", "user": {}}],
    }


def _rss_mb(key: str = "VmRSS") -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) / 1024


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        _serve(int(sys.argv[2]), sys.argv[3] == "stream")
    else:
        _ask(int(sys.argv[2]), int(sys.argv[3]))

"""Pods and containers of a real containerd, by its CRI."""

import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

from demo import images
from rubin.identity.containers.cri import Cri
from rubin.identity.facts import Address, ContainerCgroup, NetworkNamespace, PodCgroup
from rubin.model.tables import Container
from tests.containers.daemons import Daemon, ctr
from tests.containers.pods import UID, Pods
from tests.identity.containers.told import told
from tests.waiting import wait_for


def _cri(daemon: Daemon) -> Cri:
    return Cri((str(daemon.socket),), cluster="kind")


def test_a_pod_is_named_at_its_cgroup_addresses_and_network_namespace(containerd: Daemon, cluster: Pods):
    sandbox, _ = cluster.run()
    with told(_cri(containerd)) as known:
        known.wait(lambda facts: sandbox in facts, "the sandbox")
        who, where = known.who(sandbox), known.where(sandbox)
    assert (who.namespace, who.pod_name, who.cluster_name) == ("demo", "web-1", "kind")
    assert who.labels == (
        "k8s:app=web", "k8s:io.cilium.k8s.policy.cluster=kind", "k8s:io.kubernetes.pod.namespace=demo"
    )  # fmt: skip
    assert where[:2] == [ContainerCgroup(sandbox), PodCgroup(UID)]
    assert sorted(one.address.rpartition(".")[0] for one in where if isinstance(one, Address)) == ["", "10.213.7"]
    (name,) = [one.name for one in where if isinstance(one, NetworkNamespace)]
    assert Path(f"/proc/{containerd.pid}/root/run/netns/{name}").exists()


def test_a_container_is_told_within_a_second_and_its_end_too(containerd: Daemon, cluster: Pods):
    with told(_cri(containerd)) as known:
        known.status("0 containers")
        sandbox, config = cluster.run()
        container = cluster.start(sandbox, config)
        known.wait(lambda facts: container in facts, "the container", 1.0)
        (fact,) = known()[container]
        assert fact.where == ContainerCgroup(container)
        assert fact.who.container == Container(container, "server", images.NAME)
        assert (fact.who.pod_name, fact.who.namespace) == ("web-1", "demo")
        assert 0 <= time.time_ns() - fact.since_ns < 10e9
        assert "1 container since" in known.provider.status()
        cluster.remove(sandbox)
        known.wait(lambda facts: not facts, "the end", 2.0)
        assert "0 containers since" in known.provider.status()


def test_an_image_that_is_asked_for_by_its_digest_has_its_name(containerd: Daemon, cluster: Pods):
    listed = ctr(containerd, "images", "ls", "-q", namespace="k8s.io").split()
    (digest,) = [name for name in listed if name.startswith("sha256:")]
    sandbox, config = cluster.run()
    container = cluster.start(sandbox, config, digest)
    with told(_cri(containerd)) as known:
        known.wait(lambda facts: container in facts, "the container")
        assert known.who(container).container.image == images.NAME


def test_a_pod_in_the_hosts_network_has_no_address_of_its_own(containerd: Daemon, cluster: Pods):
    sandbox, _ = cluster.run(host=True)
    with told(_cri(containerd)) as known:
        known.wait(lambda facts: sandbox in facts, "the sandbox")
        assert known.where(sandbox) == [ContainerCgroup(sandbox), PodCgroup(UID)]


def test_a_process_of_the_container_is_in_the_cgroup_that_is_told(containerd: Daemon, cluster: Pods):
    sandbox, config = cluster.run()
    container = cluster.start(sandbox, config)
    tasks = ctr(containerd, "task", "ls", namespace="k8s.io").splitlines()
    (pid,) = [line.split()[1] for line in tasks if line.startswith(container)]
    assert f"/pod{UID}/{container}" in Path(f"/proc/{pid}/cgroup").read_text()


def test_names_outlive_a_runtime_that_dies_and_are_true_when_it_is_back(containerd: Daemon, cluster: Pods):
    first, _ = cluster.run()
    with told(_cri(containerd)) as known:
        known.wait(lambda facts: first in facts, "the sandbox")
        containerd.end(signal.SIGKILL)
        status = known.status(f"{containerd.socket} ", 5.0)
        assert "closed the connection" in status or "nobody listens" in status  # a second later
        assert first in known()
        containerd.start()
        cluster.close()
        again = Pods(containerd)
        again.remove(first)
        second, _ = again.run("web-2", "0ac27a52-7ce8-473c-a385-960ea70a4f0a")
        known.wait(lambda facts: list(facts) == [second], "the other sandbox and nothing else")
        again.close()
        assert known.who(second).pod_name == "web-2"


def test_nothing_is_asked_while_nothing_changes(containerd: Daemon, cluster: Pods):
    sandbox, config = cluster.run()
    cluster.start(sandbox, config)
    with told(_cri(containerd)) as known:
        known.wait(lambda facts: len(facts) == 2, "sandbox and container")
        (thread,) = [one for one in threading.enumerate() if one.name == "rubin-cri"]
        later = partial(_switches_later, thread)
        wait_for(lambda: _switches(thread) == later() == later(), "the second look to be over")
        before = _switches(thread)
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            assert known.provider.changes() == {}
            time.sleep(0.1)
        assert _switches(thread) == before, "it slept all the time"


def _switches(thread: threading.Thread) -> int:
    """How often a thread has gone to sleep and woken up (proc_pid_status(5))."""
    status = Path(f"/proc/{os.getpid()}/task/{thread.native_id}/status").read_text()
    return sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)


def _switches_later(thread: threading.Thread) -> int:
    time.sleep(1.2)
    return _switches(thread)

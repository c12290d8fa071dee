"""What `ctr` runs in a real containerd."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo import images
from rubin.identity.containers.containerd import Containerd
from rubin.identity.facts import Address, Cgroup, ContainerCgroup, NetworkNamespace
from rubin.model.tables import Container, Workload
from tests.containers.apart import ip
from tests.containers.daemons import NAMESPACE, Daemon, ctr
from tests.containers.pods import Pods
from tests.identity.containers.told import Told, told


@contextmanager
def _running(daemon: Daemon, name: str, *options: str) -> Iterator[int]:
    """The pid of a container."""
    ctr(daemon, "run", "-d", "--null-io", *options, images.NAME, name)
    try:
        tasks = ctr(daemon, "task", "ls").splitlines()
        yield int(next(line.split()[1] for line in tasks if line.startswith(f"{name} ")))
    finally:
        ctr(daemon, "task", "rm", "--force", name)
        ctr(daemon, "container", "rm", name)


@contextmanager
def _network() -> Iterator[None]:
    """Two namespaces with a cable, `rubin-a` and `rubin-b`."""
    names = ("rubin-a", "rubin-b")
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", "eth0", "netns", names[0], "type", "veth", "peer", "name", "eth0", "netns", names[1])
        for at, name in enumerate(names, 1):
            ip("-n", name, "address", "add", f"192.0.2.{at}/24", "dev", "eth0")
            ip("-n", name, "address", "add", f"2001:db8::{at}/64", "dev", "eth0", "nodad")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        for name in names:
            if Path("/run/netns", name).exists():
                ip("netns", "delete", name)


@contextmanager
def _known(daemon: Daemon) -> Iterator[Told]:
    with told(Containerd((str(daemon.socket),))) as known:
        known.status("containerd 1.")
        yield known


def test_a_container_is_named_by_its_id_at_its_cgroup_until_it_ends(containerd: Daemon):
    with _known(containerd) as known:
        with _running(containerd, "web") as pid:
            known.wait(lambda facts: f"{NAMESPACE}/web" in facts, "the container", 1.0)
            who, where = known.who(f"{NAMESPACE}/web"), known.where(f"{NAMESPACE}/web")
            inode = Path(f"/proc/{pid}/ns/net").stat().st_ino
        assert where == [Cgroup(f"/{NAMESPACE}/web"), NetworkNamespace(inode)]
        assert (who.namespace, who.pod_name) == ("containerd", "web")
        assert who.container == Container("web", "web", images.NAME)
        assert who.workloads == (Workload("web", "Container"),)
        assert who.labels == (f"container:image={images.NAME}", "container:name=web")
        known.wait(lambda facts: not facts, "the end", 2.0)


def test_an_id_of_nerdctls_is_found_in_cgroups_and_its_labels_give_the_names(containerd: Daemon):
    whole = "0123456789abcdef" * 4
    labels = {
        "nerdctl/name": "shop-web-1", "nerdctl/hostname": "0123", "com.docker.compose.project": "shop",
        "com.docker.compose.service": "web", "com.docker.compose.config-hash": "1f", "team": "a",
    }  # fmt: skip
    options = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
    with _running(containerd, whole, *options), _known(containerd) as known:
        known.wait(lambda facts: facts, "the container")
        who = known.who(f"{NAMESPACE}/{whole}")
        assert known.where(f"{NAMESPACE}/{whole}")[0] == ContainerCgroup(whole)
    assert (who.namespace, who.pod_name, who.workloads) == ("shop", "shop-web-1", (Workload("web", "Service"),))
    assert [label for label in who.labels if "=" in label] == [
        "container:com.docker.compose.project=shop", "container:com.docker.compose.service=web",
        f"container:image={images.NAME}", "container:name=shop-web-1", "container:team=a",
    ]  # fmt: skip


def test_addresses_are_those_of_the_network_namespace_and_its_first_containers(containerd: Daemon):
    joined = ("--with-ns", "network:/run/netns/rubin-a")
    with _network(), _running(containerd, "first", *joined), _running(containerd, "second", *joined):
        with _known(containerd) as known:
            known.wait(lambda facts: len(facts) == 2, "two containers")
            first, second = known.where(f"{NAMESPACE}/first"), known.where(f"{NAMESPACE}/second")
        inode = Path("/run/netns/rubin-a").stat().st_ino
    assert first == [
        Cgroup(f"/{NAMESPACE}/first"), NetworkNamespace(inode), Address("192.0.2.1"), Address("2001:db8::1")
    ]  # fmt: skip
    assert second == [Cgroup(f"/{NAMESPACE}/second")]


def test_pods_are_left_to_the_cri(containerd: Daemon, cluster: Pods):
    sandbox, config = cluster.run()
    cluster.start(sandbox, config)
    with _running(containerd, "web"), _known(containerd) as known:
        known.wait(lambda facts: facts, "the container")
        assert list(known()) == [f"{NAMESPACE}/web"]

"""Names from containerd itself: what `ctr`, `nerdctl` and others run in namespaces that are not Kubernetes'.

https://github.com/containerd/containerd/tree/main/api/services
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from google.protobuf.empty_pb2 import Empty

from rubin.identity.containers import naming, processes
from rubin.identity.containers.events import Streamed
from rubin.identity.containers.follow import Follower, Sockets, looks
from rubin.identity.containers.pb import containerd_pb2
from rubin.identity.containers.trouble import Trouble
from rubin.identity.containers.unary import UNIMPLEMENTED, Connection
from rubin.identity.facts import Address, Cgroup, ContainerCgroup, Fact, NetworkNamespace, Where
from rubin.model.tables import Container

SOCKETS = ("/run/containerd/containerd.sock",)

_SERVICES = "/containerd.services."
# Who put these there names them better: the CRI plugin, Docker and Docker's BuildKit.
_OTHERS = ("k8s.io", "moby", "buildkit")
_FILTER = ",".join((*(f"namespace!={name}" for name in _OTHERS), 'topic~="^/(tasks/(start|exit|delete)|containers/)"'))
_TASKS = containerd_pb2.SubscribeRequest(filters=[_FILTER])
_ALIVE = (containerd_pb2.CREATED, containerd_pb2.RUNNING, containerd_pb2.PAUSED, containerd_pb2.PAUSING)
_WHOLE_ID = re.compile(r"[0-9a-f]{64}")


class Containerd(Sockets):
    """The provider of what containerd knows beside the CRI. It keeps quiet where no socket is there."""

    name, rank = "containerd", 40

    def __init__(self, sockets: Sequence[str] = SOCKETS, cluster: str = "default") -> None:
        super().__init__("rubin-containerd", sockets, partial(_follow, cluster))


def _follow(cluster: str, follower: Follower) -> None:
    with ExitStack() as stack:
        connection = stack.enter_context(follower.holding(Connection(follower.path)))
        version = _version(connection)
        listening = stack.enter_context(follower.holding(Connection(follower.path)))
        stream = listening.stream(f"{_SERVICES}events.v1.Events/Subscribe", _TASKS)
        for _ in looks(Streamed(stream, follower.sleep)):
            facts = dict(_everything(connection, cluster))
            follower.tell(f"containerd {version}", facts, len(facts))


def _version(connection: Connection) -> str:
    try:
        answer = connection.call(f"{_SERVICES}version.v1.Version/Version", Empty(), containerd_pb2.VersionResponse)
    except Trouble as trouble:
        if trouble.code == UNIMPLEMENTED:
            raise Trouble("is no containerd", UNIMPLEMENTED) from trouble
        raise
    return answer.version


def _everything(connection: Connection, cluster: str) -> Iterator[tuple[str, Sequence[Fact]]]:
    """The facts of each container that runs, by `NAMESPACE/ID`. Raises OSError and Trouble."""
    request, kind = containerd_pb2.ListNamespacesRequest(), containerd_pb2.ListNamespacesResponse
    listed = connection.call(f"{_SERVICES}namespaces.v1.Namespaces/List", request, kind)
    running = [
        (namespace.name, container, pid)
        for namespace in listed.namespaces
        if namespace.name not in _OTHERS
        for container, pid in _running(connection, namespace.name)
    ]
    # of containers in one network namespace the oldest has its addresses: the others joined it
    running.sort(key=lambda one: one[1].created_at.ToNanoseconds())
    seen: set[int] = set()
    for namespace, container, pid in running:
        yield f"{namespace}/{container.id}", tuple(_facts(container, pid, cluster, seen))


def _running(connection: Connection, namespace: str) -> Iterator[tuple[containerd_pb2.Container, int]]:
    """The containers of a namespace that have a process, and its pid."""
    metadata = (("containerd-namespace", namespace),)
    listing = containerd_pb2.ListTasksRequest()
    tasks = connection.call(f"{_SERVICES}tasks.v1.Tasks/List", listing, containerd_pb2.ListTasksResponse, metadata)
    pids = {one.container_id or one.id: one.pid for one in tasks.tasks if one.status in _ALIVE}
    if not pids:
        return
    asked = containerd_pb2.ListContainersRequest()
    kind = containerd_pb2.ListContainersResponse
    answer = connection.call(f"{_SERVICES}containers.v1.Containers/List", asked, kind, metadata)
    for container in answer.containers:
        if container.id in pids:
            yield container, pids[container.id]


def _facts(container: containerd_pb2.Container, pid: int, cluster: str, seen: set[int]) -> Iterator[Fact]:
    name = container.labels.get("nerdctl/name", "") or container.id
    who = naming.container("containerd", Container(container.id, name, container.image), container.labels, cluster)
    since_ns = max(container.created_at.ToNanoseconds(), 0)
    for where in (*_cgroup(container, pid), *_network(container.id, pid, seen)):
        yield Fact(where, who, since_ns=since_ns)


def _cgroup(container: containerd_pb2.Container, pid: int) -> Iterator[Where]:
    """The cgroup: by its path, where the id is of the user's own choice and could be any word of a path."""
    if _WHOLE_ID.fullmatch(container.id):
        yield ContainerCgroup(container.id)
        return
    path = processes.cgroup(pid, container.id) or _cgroup_asked(container.spec.value)
    if path.startswith("/"):
        yield Cgroup(path)


def _cgroup_asked(spec: bytes) -> str:
    """The path of the cgroup in the container's specification."""
    try:
        read = json.loads(spec)
    except (ValueError, RecursionError):
        return ""
    linux = read.get("linux") if isinstance(read, Mapping) else None
    return str(linux.get("cgroupsPath", "")) if isinstance(linux, Mapping) else ""


def _network(container_id: str, pid: int, seen: set[int]) -> Iterator[Where]:
    """The network namespace and its addresses, where nobody is known to have them and it is not the host's."""
    if not processes.is_of(pid, container_id):
        return
    network = processes.netns(pid)
    if network is None or network.inode in seen:
        return
    seen.add(network.inode)
    yield NetworkNamespace(network.inode)
    for address in network.addresses:
        yield Address(address)

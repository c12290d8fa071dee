"""Names from runtimes that speak the CRI, v1: containerd and CRI-O under Kubernetes, or without it."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from rubin.identity.containers import naming
from rubin.identity.containers.events import Streamed
from rubin.identity.containers.follow import Follower, Sockets, looks
from rubin.identity.containers.pb import containerd_pb2, cri_pb2
from rubin.identity.containers.sandbox import sandbox_facts
from rubin.identity.containers.trouble import Trouble
from rubin.identity.containers.unary import NOT_FOUND, UNIMPLEMENTED, Connection
from rubin.identity.facts import ContainerCgroup, Fact
from rubin.model.tables import Container, Endpoint

SOCKETS = ("/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/k3s/containerd/containerd.sock")

_RUNTIME, _IMAGES = "/runtime.v1.RuntimeService/", "/runtime.v1.ImageService/"

# The CRI plugin of containerd keeps its containers in this namespace.
_FILTER = 'namespace==k8s.io,topic~="^/(tasks/(start|exit|delete)|containers/)"'
_TASKS = containerd_pb2.SubscribeRequest(filters=[_FILTER])


class Cri(Sockets):
    """The provider of what CRI runtimes know. It keeps quiet where no socket is there."""

    name, rank = "cri", 40

    def __init__(self, sockets: Sequence[str] = SOCKETS, cluster: str = "default") -> None:
        super().__init__("rubin-cri", sockets, partial(_follow, cluster))


def _follow(cluster: str, follower: Follower) -> None:
    with ExitStack() as stack:
        connection = stack.enter_context(follower.holding(Connection(follower.path)))
        version = _version(connection)
        events = _events(version.runtime_name, follower, stack)
        runtime = Runtime(connection, cluster)
        for _ in looks(events):
            name = f"{version.runtime_name} {version.runtime_version}"
            facts = runtime.facts()
            follower.tell(f"{name}, asked every second" if events.polls else name, facts, runtime.containers)


def _version(connection: Connection) -> cri_pb2.VersionResponse:
    try:
        return connection.call(f"{_RUNTIME}Version", cri_pb2.VersionRequest(), cri_pb2.VersionResponse)
    except Trouble as trouble:
        if trouble.code == UNIMPLEMENTED:  # Docker's packages of containerd turn the CRI off
            raise Trouble("offers no CRI v1", UNIMPLEMENTED) from trouble
        raise


def _events(runtime: str, follower: Follower, stack: ExitStack) -> Streamed:
    connection = stack.enter_context(follower.holding(Connection(follower.path)))
    if runtime == "containerd":
        # Not GetContainerEvents: until 2.0 each event went to one listener only, and the kubelet would have missed
        # what we were told (containerd 1.7, pkg/cri/sbserver/service.go: containerEventsChan); 1.6 has none at all.
        stream = connection.stream("/containerd.services.events.v1.Events/Subscribe", _TASKS)
    else:
        stream = connection.stream(f"{_RUNTIME}GetContainerEvents", cri_pb2.GetEventsRequest())
    return Streamed(stream, follower.sleep)


class Runtime:
    """What a runtime has at the moment. What cannot change of a sandbox or an image is asked for once."""

    def __init__(self, connection: Connection, cluster: str) -> None:
        self._connection, self._cluster = connection, cluster
        self._sandboxes: dict[str, tuple[Endpoint, Sequence[Fact]]] = {}
        self._images: dict[str, str] = {}
        self.containers = 0
        """How many there were when `facts` was asked last."""

    def facts(self) -> dict[str, Sequence[Fact]]:
        """The facts by the ids of sandboxes and containers. Raises OSError and Trouble."""
        ready = cri_pb2.PodSandboxFilter(state=cri_pb2.PodSandboxStateValue(state=cri_pb2.SANDBOX_READY))
        request = cri_pb2.ListPodSandboxRequest(filter=ready)
        found = self._connection.call(f"{_RUNTIME}ListPodSandbox", request, cri_pb2.ListPodSandboxResponse).items
        sandboxes = {one.id: known for one in found if (known := self._sandbox(one)) is not None}
        listed = self._connection.call(
            f"{_RUNTIME}ListContainers", cri_pb2.ListContainersRequest(), cri_pb2.ListContainersResponse
        ).containers
        alive = (cri_pb2.CONTAINER_CREATED, cri_pb2.CONTAINER_RUNNING)
        there = [one for one in listed if one.state in alive and one.pod_sandbox_id in sandboxes]
        self._sandboxes, self.containers = sandboxes, len(there)
        named = {one.image.image for one in there}
        self._images = {image: name for image, name in self._images.items() if image in named}
        facts = {key: of_sandbox for key, (_, of_sandbox) in sandboxes.items()}
        return facts | {one.id: (self._container(one, sandboxes[one.pod_sandbox_id][0]),) for one in there}

    def _sandbox(self, one: cri_pb2.PodSandbox) -> tuple[Endpoint, Sequence[Fact]] | None:
        """A sandbox's pod and facts; None where it has gone since it was listed."""
        if one.id in self._sandboxes:
            return self._sandboxes[one.id]
        request = cri_pb2.PodSandboxStatusRequest(pod_sandbox_id=one.id, verbose=True)
        try:
            status = self._connection.call(f"{_RUNTIME}PodSandboxStatus", request, cri_pb2.PodSandboxStatusResponse)
        except Trouble as trouble:
            if trouble.code == NOT_FOUND:
                return None
            raise
        return sandbox_facts(status, self._cluster)

    def _container(self, one: cri_pb2.Container, pod: Endpoint) -> Fact:
        who = Container(one.id, one.metadata.name, self._image(one.image))
        return Fact(ContainerCgroup(one.id), naming.with_container(pod, who), since_ns=one.created_at)

    def _image(self, spec: cri_pb2.ImageSpec) -> str:
        """An image as people write it: the kubelet names it by its digest."""
        if spec.user_specified_image:
            return spec.user_specified_image
        if spec.image not in self._images:
            self._images[spec.image] = self._tag(spec.image) if _is_digest(spec.image) else spec.image
        return self._images[spec.image]

    def _tag(self, image: str) -> str:
        request = cri_pb2.ImageStatusRequest(image=cri_pb2.ImageSpec(image=image))
        try:
            known = self._connection.call(f"{_IMAGES}ImageStatus", request, cri_pb2.ImageStatusResponse).image
        except Trouble as trouble:
            if not trouble.code:
                raise
            return image
        return next(iter((*known.repo_tags, *known.repo_digests)), image)


def _is_digest(image: str) -> bool:
    name = image.removeprefix("sha256:")
    return len(name) == 64 and set(name) <= set("0123456789abcdef")

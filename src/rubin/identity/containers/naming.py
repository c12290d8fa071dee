"""What a container is called: namespace, name, workload and labels, from what its runtime says of it."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import PurePosixPath

from rubin.identity.facts import Address, NetworkNamespace, label_texts, relevant
from rubin.model.tables import Container, Endpoint, Workload

Labels = Mapping[str, str]

_POD = "io.kubernetes.pod."
_CONTAINER_NAME = "io.kubernetes.container.name"
_PROJECT, _SERVICE = "com.docker.compose.project", "com.docker.compose.service"
_KEPT = (_PROJECT, _SERVICE, "com.docker.stack.namespace", "com.docker.swarm.service.name")

# Labels that say how an image was built or how a tool keeps its books: they differ from build to build, and nobody
# asks for a container by them.
_BOOKS = re.compile(
    r"org\.opencontainers\.image\.|org\.label-schema\.|io\.buildah\.|io\.containerd\.|io\.cri-containerd|containerd\.io/"
    r"|nerdctl/|com\.docker\.|desktop\.docker\.|(build-date|vcs-ref|vcs-type|vcs-url|maintainer)$"
)


def pod(name: str, namespace: str, labels: Labels, cluster: str) -> Endpoint:
    """A pod of Kubernetes, as far as its runtime knows it; `labels` are the pod's own."""
    texts = [*relevant(labels), (f"{_POD}namespace", namespace), ("io.cilium.k8s.policy.cluster", cluster)]
    return Endpoint(cluster_name=cluster, namespace=namespace, pod_name=name, labels=label_texts(texts))


def container(runtime: str, who: Container, labels: Labels, cluster: str) -> Endpoint:
    """A container: a pod's where its labels say so; else one by itself, in its compose project or its runtime."""
    if name := labels.get(f"{_POD}name"):
        of_pod = pod(name, labels.get(f"{_POD}namespace", ""), labels, cluster)
        return with_container(of_pod, Container(who.id, labels.get(_CONTAINER_NAME, who.name), who.image))
    service = labels.get(_SERVICE)
    workload = Workload(service, "Service") if service else Workload(who.name, "Container")
    return Endpoint(
        namespace=labels.get(_PROJECT) or runtime,
        pod_name=who.name,
        workloads=(workload,),
        labels=_texts(who, labels),
        container=who,
    )


def with_container(of_pod: Endpoint, who: Container) -> Endpoint:
    """One of a pod's containers."""
    return Endpoint(
        cluster_name=of_pod.cluster_name,
        namespace=of_pod.namespace,
        pod_name=of_pod.pod_name,
        labels=of_pod.labels,
        container=who,
    )


def _texts(who: Container, labels: Labels) -> tuple[str, ...]:
    own = {key: value for key, value in labels.items() if key in _KEPT or not _BOOKS.match(key)}
    said = own | {"name": who.name} | ({"image": who.image} if who.image else {})
    return tuple(sorted(f"container:{key}={value}" for key, value in said.items()))


def namespace_at(text: str) -> Iterator[NetworkNamespace]:
    """The network namespace at a path: by its name where `ip netns` keeps them, by its inode in Docker's folder."""
    path = PurePosixPath(text.removeprefix("/var"))
    if str(path.parent) == "/run/netns":
        yield NetworkNamespace(path.name)
    elif str(path.parent) == "/run/docker/netns":
        with suppress(OSError):  # Docker's folders need not be ours
            yield NetworkNamespace(os.stat(text).st_ino)


def addresses(texts: Iterator[str]) -> Iterator[Address]:
    """Those that are addresses: what a runtime does not know it leaves empty."""
    for text in texts:
        try:
            yield Address(str(ip_address(text)))
        except ValueError:
            continue

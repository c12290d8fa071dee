"""What providers tell."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rubin.model.enums import Identity
from rubin.model.tables import Endpoint


@dataclass(frozen=True, slots=True)
class Address:
    """Who has an address, written as text."""

    address: str


@dataclass(frozen=True, slots=True)
class Network:
    """Who is behind the addresses of a CIDR that nobody has told of one by one."""

    cidr: str


@dataclass(frozen=True, slots=True)
class Interface:
    """Who is behind a host-side interface, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Cgroup:
    """Whose sockets are in a cgroup, by its path, and in all below it."""

    path: str


@dataclass(frozen=True, slots=True)
class NetworkNamespace:
    """Whose sockets are in a network namespace: its name under /run/netns, or its inode."""

    name: str | int


@dataclass(frozen=True, slots=True)
class ContainerCgroup:
    """Whose sockets are in the cgroup of a container, by the id that a part of the cgroup's path holds."""

    id: str


@dataclass(frozen=True, slots=True)
class PodCgroup:
    """Whose sockets are in the cgroup of a Kubernetes pod, by the UID in the cgroup's path."""

    uid: str


@dataclass(frozen=True, slots=True)
class ServicePort:
    """By which service an address is called at a port: where the address alone does not say it (NodePort)."""

    address: str
    port: int
    protocol: int = 6
    """IANA's number."""


Where = Address | Network | Interface | Cgroup | NetworkNamespace | ContainerCgroup | PodCgroup | ServicePort


@dataclass(frozen=True, slots=True)
class Fact:
    """Who is there. The table fills `id`, and `identity` where it is 0."""

    where: Where
    who: Endpoint
    rank: int | None = None
    """None: the provider's."""
    since_ns: int = 0
    """From when it holds, ns since the Unix epoch; 0: from before anybody looked."""
    local: bool = True
    """Whether it lives on this machine: Hubble gives an ID to those only."""


Changes = Mapping[str, Sequence[Fact]]
"""By a provider's own keys (a pod's UID, a container's id): all facts of the key as they are now; () if it has gone."""


class Provider(Protocol):
    """A source of facts. Of two that speak of the same place, the higher rank is believed."""

    name: str
    rank: int

    def changes(self) -> Changes:
        """What has changed since the last call. Asked ten times a second on the line's thread, so it does no I/O
        that could wait: what waits runs on a thread of the provider's own and hands over by `told.Told`.
        """

    def status(self) -> str:
        """One line for `rubin status`: what is known and since when, or what is wrong."""

    def close(self) -> None:
        """End its thread and connections, if it has any."""


@runtime_checkable
class LabelsNode(Protocol):
    """A provider that knows the labels of this node."""

    def node_labels(self) -> tuple[str, ...]:
        """`key=value`, sorted; () before they are known."""


def reserved(identity: Identity, *more: Identity) -> Endpoint:
    """The endpoint of a reserved identity, with the labels of further ones where given."""
    return Endpoint(identity=int(identity), labels=tuple(sorted(f"reserved:{one.text}" for one in (identity, *more))))


HOST = reserved(Identity.HOST)
WORLD = reserved(Identity.WORLD)
"""Always `reserved:world`: Hubble says `world-ipv4` and `world-ipv6` in dual-stack clusters only, and a
question about the world should not depend on what addresses a machine happens to have."""


# What Cilium leaves out by default (docs.cilium.io, "Limiting Identity-Relevant Labels"): labels that differ from
# rollout to rollout or from pod to pod of a workload. Those with Cilium's own prefix are not a pod's to set.
_LEFT_OUT = re.compile(
    r"io\.kubernetes|kubernetes\.io|.*beta\.kubernetes\.io|k8s\.io|io\.cilium\.k8s\."
    r"|pod-template-generation|pod-template-hash|controller-revision-hash|annotation.*|etcd_node"
    r"|statefulset\.kubernetes\.io/pod-name|apps\.kubernetes\.io/pod-index|batch\.kubernetes\.io/job-completion-index"
    r"|batch\.kubernetes\.io/controller-uid|controller-uid"
)


def relevant(labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """A pod's own labels without those that make no identity."""
    return [(key, value) for key, value in labels.items() if not _LEFT_OUT.match(key)]


def label_texts(labels: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Kubernetes labels as Hubble writes them, sorted: `k8s:app=shop`."""
    return tuple(sorted(f"k8s:{key}={value}" for key, value in labels))

"""Pods as the API tells of them, to facts: those of this node with their containers, the others by address."""

import socket
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import cache
from ipaddress import IPv6Address

from rubin.identity.facts import Address, ContainerCgroup, Fact, PodCgroup
from rubin.identity.kubernetes.labels import Labels, of_namespace, with_namespace
from rubin.identity.kubernetes.objects import ContainerStatus, Item, Namespace, Pod, PodHere, PodStatus
from rubin.identity.kubernetes.times import since_ns
from rubin.identity.kubernetes.workloads import workloads
from rubin.identity.told import Told
from rubin.model.tables import Container, Endpoint

_ENDED = ("Succeeded", "Failed")
Facts = tuple[Fact, ...]


class Pods:
    """All pods. Two watches tell of them, and of one that moves from the one to the other for a moment both."""

    def __init__(self, told: Told, cluster_name: str) -> None:
        self._told, self._cluster = told, cluster_name
        self._labels = Labels(cluster_name)
        self._of_namespace: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()
        self._here: dict[str, Facts] = {}
        self._elsewhere: dict[str, Facts] = {}
        self.here = PodsSeen(self, self._here)
        self.elsewhere = PodsSeen(self, self._elsewhere)
        self.namespaces = Namespaces(self)

    def put(self, held: dict[str, Facts], pod: PodHere | Pod) -> None:
        """What a watch knows of a pod now."""
        facts = tuple(self._facts(pod))
        with self._lock:
            if _same(held.get(pod.metadata.uid, ()), facts):
                return
            if facts:
                held[pod.metadata.uid] = facts
            else:
                del held[pod.metadata.uid]
            self._tell(pod.metadata.uid)

    def remove(self, held: dict[str, Facts], uid: str) -> None:
        """A watch knows nothing of a pod any more."""
        with self._lock:
            if held.pop(uid, ()):
                self._tell(uid)

    def labelled(self, namespace: str, labels: tuple[str, ...]) -> None:
        """A namespace has these labels now, and so have its pods."""
        with self._lock:
            if self._of_namespace.get(namespace, ()) == labels:
                return
            self._of_namespace[namespace] = labels
            self._relabel(namespace, cache(lambda own: with_namespace(own, labels)))

    def _relabel(self, namespace: str, labels: Callable[[tuple[str, ...]], tuple[str, ...]]) -> None:
        for held in (self._here, self._elsewhere):
            for uid, facts in held.items():
                if facts[0].who.namespace == namespace:
                    whos = [replace(fact.who, labels=labels(fact.who.labels)) for fact in facts]
                    held[uid] = tuple(replace(fact, who=who) for fact, who in zip(facts, whos, strict=True))
                    self._tell(uid)

    def _tell(self, uid: str) -> None:
        self._told.tell(f"pod/{uid}", self._here.get(uid) or self._elsewhere.get(uid, ()))

    def _facts(self, pod: PodHere | Pod) -> Iterator[Fact]:
        who = self._who(pod)
        here = isinstance(pod, PodHere)
        if not pod.spec.host_network and pod.status.phase not in _ENDED:
            since = _ready_ns(pod.status)
            for address in _addresses(pod.status):
                yield Fact(Address(address), who, since_ns=since, local=here)
        if isinstance(pod, PodHere):
            yield Fact(PodCgroup(pod.metadata.uid), who, since_ns=since_ns(pod.status.start_time))
            for container in _containers(pod):
                yield _of_container(container, who)

    def _who(self, pod: PodHere | Pod) -> Endpoint:
        namespace = sys.intern(pod.metadata.namespace)
        more = self._of_namespace.get(namespace, ())
        return Endpoint(
            cluster_name=self._cluster,
            namespace=namespace,
            labels=self._labels.of(pod.metadata.labels or {}, namespace, pod.spec.service_account_name, more),
            pod_name=pod.metadata.name,
            workloads=workloads(pod.metadata),
        )


class PodsSeen:
    """The pods of one watch."""

    def __init__(self, pods: Pods, held: dict[str, Facts]) -> None:
        self._pods, self._held = pods, held

    def put(self, pod: PodHere | Pod) -> None:
        """A pod is, or has become, so."""
        self._pods.put(self._held, pod)

    def remove(self, pod: Item) -> None:
        """A pod has gone."""
        self._pods.remove(self._held, pod.metadata.uid)

    def keep(self, uids: Collection[str]) -> None:
        """Only these are still there."""
        for uid in [uid for uid in self._held if uid not in uids]:
            self._pods.remove(self._held, uid)

    def __len__(self) -> int:
        return len(self._held)


class Namespaces:
    """The namespaces, for their labels."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods
        self._names: dict[str, str] = {}

    def put(self, namespace: Namespace) -> None:
        """A namespace is, or has become, so."""
        self._names[namespace.metadata.uid] = namespace.metadata.name
        self._pods.labelled(namespace.metadata.name, of_namespace(namespace.metadata.labels or {}))

    def remove(self, namespace: Item) -> None:
        """A namespace has gone, and all that was in it before."""
        self._names.pop(namespace.metadata.uid, None)
        self._pods.labelled(namespace.metadata.name, ())

    def keep(self, uids: Collection[str]) -> None:
        """Only these are still there."""
        for uid in [uid for uid in self._names if uid not in uids]:
            name = self._names.pop(uid)
            if name not in self._names.values():  # it may have come back under another UID
                self._pods.labelled(name, ())

    def __len__(self) -> int:
        return len(self._names)


def address_text(text: str) -> str:
    """An address as facts write it, "" where it is none."""
    try:
        socket.inet_pton(socket.AF_INET, text)  # takes one way of writing it only, in a twentieth of the time
        return text
    except (OSError, ValueError):
        return _ipv6_text(text)


def _ipv6_text(text: str) -> str:
    try:
        return str(IPv6Address(text)) if "%" not in text else ""
    except ValueError:
        return ""


def _addresses(status: PodStatus) -> Iterator[str]:
    return filter(None, (address_text(one.ip) for one in status.pod_ips or ()))


def _containers(pod: PodHere) -> Iterator[ContainerStatus]:
    status = pod.status
    for held in (status.container_statuses, status.init_container_statuses, status.ephemeral_container_statuses):
        yield from (one for one in held or () if one.container_id)


def _of_container(status: ContainerStatus, who: Endpoint) -> Fact:
    container = Container(status.container_id.rpartition("/")[2], status.name, status.image)
    state = status.state and (status.state.running or status.state.terminated)
    since = since_ns(state.started_at) if state else 0
    return Fact(ContainerCgroup(container.id), replace(who, container=container), since_ns=since)


def _ready_ns(status: PodStatus) -> int:
    """From when a pod has its addresses: its sandbox stands with them, by the second."""
    for condition in status.conditions or ():
        if condition.type == "PodReadyToStartContainers" and condition.status == "True":
            return since_ns(condition.last_transition_time) or since_ns(status.start_time)
    return since_ns(status.start_time)


def _same(before: Sequence[Fact], after: Sequence[Fact]) -> bool:
    """Whether the same is said of the same places; that a condition has turned since is no news."""
    return len(before) == len(after) and all(
        old.where == new.where and old.who == new.who for old, new in zip(before, after, strict=True)
    )

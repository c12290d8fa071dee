"""Who a pod's sandbox is and where, from the CRI's `PodSandboxStatus`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rubin.identity.containers import naming
from rubin.identity.containers.pb import cri_pb2
from rubin.identity.facts import Address, ContainerCgroup, Fact, NetworkNamespace, PodCgroup
from rubin.model.tables import Endpoint


def sandbox_facts(answer: cri_pb2.PodSandboxStatusResponse, cluster: str) -> tuple[Endpoint, Sequence[Fact]]:
    """The pod of a sandbox, and where it is."""
    status = answer.status
    pod = naming.pod(status.metadata.name, status.metadata.namespace, status.labels, cluster)
    facts = [Fact(ContainerCgroup(status.id), pod, since_ns=status.created_at)]
    if status.metadata.uid:
        facts.append(Fact(PodCgroup(status.metadata.uid), pod, since_ns=status.created_at))
    if status.linux.namespaces.options.network != cri_pb2.NODE:
        facts += (Fact(where, pod, since_ns=status.created_at) for where in _network(answer))
    return pod, tuple(facts)


def _network(answer: cri_pb2.PodSandboxStatusResponse) -> Iterator[Address | NetworkNamespace]:
    network = answer.status.network
    yield from naming.addresses(iter((network.ip, *(more.ip for more in network.additional_ips))))
    yield from naming.namespace_at(_netns_path(answer.info.get("info", "")))


def _netns_path(info: str) -> str:
    """The path of a sandbox's network namespace in a runtime's own JSON, "" where it is not there."""
    try:
        spec = _within(json.loads(info or "{}"), "runtimeSpec", "linux")
    except (ValueError, RecursionError):
        return ""
    kinds = spec.get("namespaces")
    for one in kinds if isinstance(kinds, list) else ():
        if isinstance(one, dict) and one.get("type") == "network":
            return str(one.get("path", ""))
    return ""


def _within(value: Any, *keys: str) -> Mapping[str, Any]:
    """The object at the end of a path of keys, {} where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}

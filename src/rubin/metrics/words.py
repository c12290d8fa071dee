"""What an endpoint is called in a metric's label, by identifier."""

from collections.abc import Callable

from rubin.model.tables import Endpoint

_RESERVED = "reserved:"
_KUBE_APISERVER = "reserved:kube-apiserver"
_APP = tuple(f"k8s:{key}=" for key in ("app.kubernetes.io/name", "k8s-app", "app"))


def _app(endpoint: Endpoint) -> str:
    # The first label in the endpoint's own order that is one of the three, as Hubble takes it.
    values = (label.partition("=")[2] for label in endpoint.labels if label.startswith(_APP))
    return next((value for value in values if value), "")


def _reserved(endpoint: Endpoint) -> str:
    if _KUBE_APISERVER in endpoint.labels:
        return _KUBE_APISERVER
    return next((label for label in endpoint.labels if label.startswith(_RESERVED)), "")


def _pod(endpoint: Endpoint) -> str:
    return f"{endpoint.namespace}/{endpoint.pod_name}" if endpoint.namespace else endpoint.pod_name


def _workload(endpoint: Endpoint) -> str:
    name = _workload_name(endpoint)
    return f"{endpoint.namespace}/{name}" if name and endpoint.namespace else name


def _workload_name(endpoint: Endpoint) -> str:
    return endpoint.workloads[0].name if endpoint.workloads else ""


def _service(endpoint: Endpoint) -> str:
    service = endpoint.service
    return f"{service.namespace}/{service.name}" if service.namespace and service.name else service.name


def _workload_kind(endpoint: Endpoint) -> str:
    return endpoint.workloads[0].kind if endpoint.workloads else ""


WORDS: dict[str, Callable[[Endpoint], str]] = {
    "identity": lambda endpoint: ",".join(endpoint.labels),
    "namespace": lambda endpoint: endpoint.namespace,
    "pod": _pod,
    "pod-name": lambda endpoint: endpoint.pod_name,
    "dns": lambda endpoint: ",".join(endpoint.names),
    "reserved-identity": _reserved,
    "workload": _workload,
    "workload-name": _workload_name,
    "workload-kind": _workload_kind,
    "app": _app,
    "container": lambda endpoint: endpoint.container.name,
    "image": lambda endpoint: endpoint.container.image,
    "unit": lambda endpoint: endpoint.unit,
    "service": _service,
}
"""All identifiers but `ip`, which is the packet's and not the endpoint's."""


def words(endpoint: Endpoint, chains: tuple[tuple[str, ...], ...], ip: str) -> tuple[str, ...]:
    """One word a chain: the first of its identifiers that says something, else ""."""
    return tuple(next((word for name in chain if (word := _word(endpoint, name, ip))), "") for chain in chains)


def _word(endpoint: Endpoint, identifier: str, ip: str) -> str:
    return ip if identifier == "ip" else WORDS[identifier](endpoint)


def is_world(endpoint: Endpoint) -> bool:
    """Whether Hubble calls it the world."""
    return any(label in ("reserved:world", "reserved:world-ipv4", "reserved:world-ipv6") for label in endpoint.labels)

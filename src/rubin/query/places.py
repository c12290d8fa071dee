"""Who stands at one end of a flow, at a scope: a workload, a pod, a process, a domain outside, a network."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from rubin.errors import UsageError
from rubin.model import addresses
from rubin.model.enums import Identity
from rubin.model.tables import Endpoint, Process
from rubin.words.terms import Term, filters

SCOPES = ("cluster", "namespace", "workload", "pod", "process", "node")
DEFAULT_SCOPE = "workload"
OUTSIDE, HOST, NODES = "outside", "host", "nodes"

_SECOND_LEVEL = ("ac", "co", "com", "edu", "gov", "net", "org")  # under a country's domain they are no one's own
_RESERVED = {
    Identity.HEALTH: "health",
    Identity.REMOTE_NODE: "remote-node",
    Identity.KUBE_APISERVER: "kube-apiserver",
    Identity.INGRESS: "ingress",
}
_NOBODY = Process()
_BITS = {4: (24, 16), 6: (64, 48)}  # of a network: private, public


class Kind(IntEnum):
    """What a place is; the numbers travel to the browser."""

    WORKLOAD = 0
    POD = 1
    PROCESS = 2
    SERVICE = 3
    NAME = 4
    NETWORK = 5
    HOST = 6
    NODE = 7
    NAMESPACE = 8
    CLUSTER = 9
    UNKNOWN = 10
    MORE = 11


@dataclass(frozen=True, slots=True)
class Place:
    """One of them: its name, the island that it stands on, and what asks for its flows, () where no filter can."""

    name: str
    group: str
    kind: Kind
    asked: tuple[tuple[str, str], ...] = ()

    def terms(self, side: str = "") -> tuple[Term, ...]:
        """The filter for its flows; `side` "from" or "to" for those at that end."""
        return tuple(Term(f"{side}-{name}" if side else name, value) for name, value in self.asked)


@dataclass(frozen=True, slots=True)
class End:
    """What a flow says of one of its ends. `version` 0: no address. Process and node as far as they are known."""

    endpoint: Endpoint
    high: int = 0
    low: int = 0
    version: int = 0
    process: Process = _NOBODY
    node: str = ""


def sound(terms: Iterable[Term]) -> tuple[Term, ...]:
    """Those that filters take, alone and together: a name from the network may be none that can be asked for."""
    asked = tuple(terms)
    try:
        filters(asked)
    except UsageError:
        pass
    else:
        return asked
    kept: list[Term] = []
    for term in asked:
        try:
            filters([*kept, term])
        except UsageError:
            continue
        kept.append(term)
    return tuple(kept)


def check_scope(scope: str) -> str:
    """The scope. Raises UsageError where there is none of that name."""
    if scope not in SCOPES:
        raise UsageError(f"scope '{scope}' does not exist", "one of " + ", ".join(SCOPES))
    return scope


def place(scope: str, end: End) -> Place:
    """Where the end stands at a scope."""
    of = end.endpoint
    match scope:
        case "process" if end.process.command:
            return _process(end)
        case "node" if end.node:
            return Place(end.node, NODES, Kind.NODE, (("node-name", end.node),))
        case "pod" | "process" if of.pod_name:
            return _pod(of)
        case "pod" | "process" if not _named(of) and end.version:
            address = addresses.text(end.high, end.low)
            return Place(address, OUTSIDE, Kind.NETWORK, (("ip", address),))
        case "namespace" | "cluster" if _namespace(of):
            return _wide(scope, of)
        case "namespace" | "cluster" | "node" if not _is_ours(end):
            return Place("outside", OUTSIDE, Kind.NETWORK)
    return _workload(end)


def member(end: End) -> int:
    """A key of the single one behind a place that stands for many: the pod, the name, the address."""
    return hash(end.endpoint.called or (end.high, end.low))


def _workload(end: End) -> Place:
    of = end.endpoint
    if of.workloads:
        one = of.workloads[0]
        own = ("workload", f"{one.kind}/{one.name}" if one.kind else one.name)
        return Place(one.name, of.namespace, Kind.WORKLOAD, (*_within(of.namespace), own))
    if of.pod_name:
        return _pod(of)
    if of.service.name:
        full = f"{of.service.namespace or 'default'}/{of.service.name}"
        return Place(of.service.name, of.service.namespace, Kind.SERVICE, (("service", full),))
    if of.container.id:
        name = of.container.name or of.container.id[:12]
        return Place(name, "containers", Kind.WORKLOAD, (("container", name),))
    if of.identity == Identity.HOST:
        return Place("host", HOST, Kind.HOST, (("identity", "host"),))
    if of.identity in _RESERVED:
        name = _RESERVED[Identity(of.identity)]
        return Place(name, NODES, Kind.NODE, (("identity", name),))
    return _outside(end)


def _outside(end: End) -> Place:
    if end.endpoint.names:
        name = end.endpoint.names[0].rstrip(".").lower()
        domain = registrable(name)
        return Place(domain, OUTSIDE, Kind.NAME, (("fqdn", domain), ("fqdn", f"*.{domain}")))
    if not end.version:
        return Place("unknown", OUTSIDE, Kind.UNKNOWN)
    address = ip_address(addresses.text(end.high, end.low))
    if address.is_loopback:
        return Place("host", HOST, Kind.HOST, (("identity", "host"),))
    network = _network(address)
    return Place(network, OUTSIDE, Kind.NETWORK, (("ip", network),))


def registrable(name: str) -> str:
    """`example.com` of `api.eu.example.com`, `example.co.uk` of `www.example.co.uk`; by rule, without a list."""
    labels = name.split(".")
    keeps = 3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL else 2
    return ".".join(labels[-keeps:])


def _network(address: IPv4Address | IPv6Address) -> str:
    private, public = _BITS[address.version]
    bits = private if address.is_private or address.is_multicast else public
    return str(ip_network(f"{address}/{bits}", strict=False))


def _process(end: End) -> Place:
    of, command = end.endpoint, end.process.command
    home = next((one.name for one in of.workloads), of.pod_name)
    name = f"{command} ({home})" if home and home != command else command
    return Place(name, of.namespace or HOST, Kind.PROCESS, (*_within(of.namespace), ("process", command)))


def _pod(of: Endpoint) -> Place:
    full = f"{of.namespace}/{of.pod_name}" if of.namespace else f"/{of.pod_name}"
    return Place(of.pod_name, of.namespace, Kind.POD, (("pod", full),))


def _wide(scope: str, of: Endpoint) -> Place:
    namespace = _namespace(of)
    if scope == "namespace":
        return Place(namespace, "", Kind.NAMESPACE, _within(namespace))
    if of.cluster_name:
        return Place(of.cluster_name, "", Kind.CLUSTER, (("cluster", of.cluster_name),))
    return Place("this cluster", "", Kind.CLUSTER)


def _within(namespace: str) -> tuple[tuple[str, str], ...]:
    return (("namespace", namespace),) if namespace else ()


def _namespace(of: Endpoint) -> str:
    return of.namespace or of.service.namespace


def _named(of: Endpoint) -> bool:
    return bool(of.workloads or of.service.name or of.container.id or of.names or of.identity in _RESERVED) or (
        of.identity == Identity.HOST
    )


def _is_ours(end: End) -> bool:
    of = end.endpoint
    ours = of.identity == Identity.HOST or of.identity in _RESERVED or bool(of.container.id or of.workloads)
    return ours or (end.version > 0 and ip_address(addresses.text(end.high, end.low)).is_loopback)

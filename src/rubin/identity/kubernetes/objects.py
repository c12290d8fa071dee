"""What is read of the API server's objects; all else is skipped while decoding."""

from typing import Generic, TypeVar

import msgspec

Object = TypeVar("Object")


class _Lean(msgspec.Struct, rename="camel", gc=False):
    """Fields are named as in the API; a list that is not there may also be null."""


class Annotations(_Lean):
    """The one annotation that is asked for: it ends what was there when a watch began."""

    initial_events_end: str = msgspec.field(name="k8s.io/initial-events-end", default="")


class Owner(_Lean):
    """An owner reference."""

    kind: str = ""
    name: str = ""
    controller: bool | None = None


class Metadata(_Lean):
    """An object's metadata."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generate_name: str = ""
    labels: dict[str, str] | None = None
    annotations: Annotations | None = None
    owner_references: list[Owner] | None = None


class Item(_Lean):
    """Any object."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)


class PodSpec(_Lean):
    """A pod's spec."""

    node_name: str = ""
    host_network: bool | None = None
    service_account_name: str = ""


class Condition(_Lean):
    """A pod's condition."""

    type: str = ""
    status: str = ""
    last_transition_time: str | None = None


class Started(_Lean):
    """A container's state: from when."""

    started_at: str | None = None


class State(_Lean):
    """A container's state, one of three."""

    running: Started | None = None
    terminated: Started | None = None


class ContainerStatus(_Lean):
    """A container as it runs; `container_id` is `RUNTIME://ID`."""

    name: str = ""
    image: str = ""
    container_id: str = msgspec.field(name="containerID", default="")
    state: State | None = None


class PodAddress(_Lean):
    """One of a pod's addresses."""

    ip: str = ""


class PodStatus(_Lean):
    """The status of a pod elsewhere."""

    phase: str = ""
    start_time: str | None = None
    pod_ips: list[PodAddress] | None = msgspec.field(name="podIPs", default=None)
    conditions: list[Condition] | None = None


class PodStatusHere(PodStatus):
    """The status of a pod of this node."""

    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None
    ephemeral_container_statuses: list[ContainerStatus] | None = None


class Pod(Item):
    """A pod elsewhere."""

    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class PodHere(Item):
    """A pod of this node."""

    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatusHere = msgspec.field(default_factory=PodStatusHere)


class Namespace(Item):
    """A namespace: only its labels count."""


class Port(_Lean):
    """A service's port."""

    port: int = 0
    node_port: int | None = None
    protocol: str | None = None


class ServiceSpec(_Lean):
    """A service's spec."""

    cluster_ips: list[str] | None = msgspec.field(name="clusterIPs", default=None)
    cluster_ip: str = msgspec.field(name="clusterIP", default="")
    external_ips: list[str] | None = msgspec.field(name="externalIPs", default=None)
    ports: list[Port] | None = None


class Ingress(_Lean):
    """A load balancer's address."""

    ip: str = ""


class LoadBalancer(_Lean):
    """A load balancer's addresses."""

    ingress: list[Ingress] | None = None


class ServiceStatus(_Lean):
    """A service's status."""

    load_balancer: LoadBalancer | None = None


class Service(Item):
    """A service."""

    spec: ServiceSpec = msgspec.field(default_factory=ServiceSpec)
    status: ServiceStatus = msgspec.field(default_factory=ServiceStatus)


class Backend(_Lean):
    """An endpoint of a slice."""

    addresses: list[str] | None = None


class EndpointSlice(Item):
    """Who answers for a service."""

    endpoints: list[Backend] | None = None


class NodeAddress(_Lean):
    """One of a node's addresses."""

    type: str = ""
    address: str = ""


class NodeStatus(_Lean):
    """A node's status."""

    addresses: list[NodeAddress] | None = None


class Node(Item):
    """A node."""

    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class ListMetadata(_Lean):
    """A list's metadata; `continue_` asks for the next page."""

    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class Page(_Lean, Generic[Object]):
    """A page of a list."""

    kind: str = ""
    metadata: ListMetadata = msgspec.field(default_factory=ListMetadata)
    items: list[Object] | None = None


class Event(_Lean, Generic[Object]):
    """A line of a watch."""

    type: str
    object: Object

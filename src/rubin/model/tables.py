"""What a flow points to: rows that many flows share, by index; row 0 of each table is "nothing".

A table only grows, so a reader on another thread may look up any index it finds in a published
row. Batches and segments of one `Tables` share it; a writer starts a new one after some hundred
thousand flows (`Tables.full`), and the old one goes when the last segment that names it goes.
"""

from dataclasses import dataclass, field
from typing import Any

from rubin.model.messages import Messages
from rubin.model.table import Table


@dataclass(frozen=True, slots=True)
class Workload:
    """What runs a pod: `Deployment/shop`."""

    name: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """A service by which an endpoint was addressed."""

    name: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Container:
    """A container in its runtime's words; `id` is the whole one."""

    id: str = ""
    name: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who is behind one side of a flow, as it was known when the flow happened.

    `labels` are sorted and of the form `source:key=value`; `names` are DNS names. `container` and `unit`
    (systemd's) are known of the local side only.
    """

    id: int = 0
    identity: int = 0
    cluster_name: str = ""
    namespace: str = ""
    labels: tuple[str, ...] = ()
    pod_name: str = ""
    workloads: tuple[Workload, ...] = ()
    names: tuple[str, ...] = ()
    service: Service = Service()
    container: Container = Container()
    unit: str = ""

    @property
    def called(self) -> str:
        """`ns/pod`, else `ns/service`, else the DNS names; "" for an endpoint without any."""
        namespace = self.service.namespace if self.service.name else self.namespace
        name = self.pod_name or self.service.name
        if not name:
            return ",".join(self.names)
        return f"{namespace}/{name}" if namespace else name


@dataclass(frozen=True, slots=True)
class Process:
    """The owner of the local socket. pid 0: not known. `uid` -1: not known. `netns` is the inode of its namespace."""

    pid: int = 0
    command: str = ""
    uid: int = -1
    cgroup_id: int = 0
    cgroup: str = ""
    netns_cookie: int = 0
    netns: int = 0
    executable: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """The interface and frame of a packet; MACs as `02:fc:00:00:00:01`, "" where there is none."""

    index: int = 0
    name: str = ""
    source_mac: str = ""
    destination_mac: str = ""
    vlan: int = 0


@dataclass(frozen=True, slots=True)
class Tunnel:
    """The outer headers of an encapsulated packet; `protocol` is Hubble's (1 VXLAN, 2 Geneve)."""

    protocol: int = 0
    source: str = ""
    destination: str = ""
    source_port: int = 0
    destination_port: int = 0
    vni: int = 0


@dataclass(frozen=True, slots=True)
class Translation:
    """Whom the local socket asked for, where NAT had somebody else answer."""

    address: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that allowed or denied."""

    name: str = ""
    namespace: str = ""
    labels: tuple[str, ...] = ()
    revision: int = 0
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What only some flows carry. `rest` is an encoded `flow.Flow` of the fields that have neither a
    column nor a place in the tables, kept as it came.
    """

    ip_trace_id: int = 0
    tunnel: Tunnel | None = None
    proxy_port: int = 0
    summary: str = ""
    node_labels: tuple[str, ...] = ()
    egress_allowed_by: tuple[Policy, ...] = ()
    ingress_allowed_by: tuple[Policy, ...] = ()
    egress_denied_by: tuple[Policy, ...] = ()
    ingress_denied_by: tuple[Policy, ...] = ()
    policy_log: tuple[str, ...] = ()
    rest: bytes = b""
    translation: Translation | None = None


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables that a batch's code columns point into, by the names in `columns.COLUMNS`."""

    strings: Table[str] = field(default_factory=lambda: Table(""))
    endpoints: Table[Endpoint] = field(default_factory=lambda: Table(Endpoint()))
    processes: Table[Process] = field(default_factory=lambda: Table(Process()))
    links: Table[Link] = field(default_factory=lambda: Table(Link()))
    contents: Table[Contents] = field(default_factory=lambda: Table(Contents()))
    messages: Messages = field(default_factory=Messages)

    FULL_ROWS = 131_072

    def __getitem__(self, name: str) -> Table[Any] | Messages:
        table: Table[Any] | Messages = getattr(self, name)
        return table

    @property
    def full(self) -> bool:
        """True when it is time for a source to go on with new tables."""
        tables: tuple[Table[Any], ...] = (self.strings, self.endpoints, self.processes, self.links, self.contents)
        return self.messages.full or any(len(table) > self.FULL_ROWS for table in tables)

"""Which flows: the fields of Hubble's `FlowFilter`, and what it cannot ask."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rubin.model.tables import Workload  # numpy comes with it


@dataclass(frozen=True, slots=True)
class BeyondHubble:
    """Constraints that Hubble's message has no field for; they travel between our own processes only.

    As in `FlowFilter`: fields are joined by AND, the values of one by OR, () is no constraint.
    """

    source_process: tuple[str, ...] = ()
    """Command or executable's file name or path of the local socket's owner, where that is the source; exact."""
    destination_process: tuple[str, ...] = ()
    source_pid: tuple[int, ...] = ()
    destination_pid: tuple[int, ...] = ()
    source_user: tuple[str, ...] = ()
    """Name or number."""
    destination_user: tuple[str, ...] = ()
    source_container: tuple[str, ...] = ()
    """Name, or the beginning of the id."""
    destination_container: tuple[str, ...] = ()
    source_image: tuple[str, ...] = ()
    """As its runtime writes it, or without registry, path or tag: `docker.io/library/nginx:1.25`, `nginx`."""
    destination_image: tuple[str, ...] = ()
    source_unit: tuple[str, ...] = ()
    """systemd's unit, with or without `.service`."""
    destination_unit: tuple[str, ...] = ()
    cgroup: tuple[str, ...] = ()
    """Path of the cgroup: that one and all below it."""
    kernel_drop_reason: tuple[str, ...] = ()
    """The running kernel's own names (`NETFILTER_DROP`); case does not matter."""
    tcp_event: tuple[int, ...] = ()
    """enums.TCPEvent"""


@dataclass(frozen=True, slots=True)
class FlowFilter:
    """Fields, values and meaning of Hubble's `flow.FlowFilter`; `Filters` refuses bad values.

    A flow passes when every field that has values agrees with at least one of them.
    """

    uuid: tuple[str, ...] = ()
    source_ip: tuple[str, ...] = ()
    source_ip_xlated: tuple[str, ...] = ()
    source_pod: tuple[str, ...] = ()
    source_fqdn: tuple[str, ...] = ()
    source_label: tuple[str, ...] = ()
    source_service: tuple[str, ...] = ()
    source_workload: "tuple[Workload, ...]" = ()
    source_cluster_name: tuple[str, ...] = ()
    destination_ip: tuple[str, ...] = ()
    destination_pod: tuple[str, ...] = ()
    destination_fqdn: tuple[str, ...] = ()
    destination_label: tuple[str, ...] = ()
    destination_service: tuple[str, ...] = ()
    destination_workload: "tuple[Workload, ...]" = ()
    destination_cluster_name: tuple[str, ...] = ()
    traffic_direction: tuple[int, ...] = ()
    """enums.Direction"""
    verdict: tuple[int, ...] = ()
    """enums.Verdict"""
    drop_reason_desc: tuple[int, ...] = ()
    """enums.DropReason"""
    interface: tuple[tuple[int, str], ...] = ()
    """(index, name); 0 and "" mean any"""
    event_type: tuple[tuple[int, bool, int], ...] = ()
    """(type, match_sub_type, sub_type); type 0 means any"""
    http_status_code: tuple[str, ...] = ()
    protocol: tuple[str, ...] = ()
    source_port: tuple[str, ...] = ()
    destination_port: tuple[str, ...] = ()
    reply: tuple[bool, ...] = ()
    dns_query: tuple[str, ...] = ()
    source_identity: tuple[int, ...] = ()
    destination_identity: tuple[int, ...] = ()
    http_method: tuple[str, ...] = ()
    http_path: tuple[str, ...] = ()
    http_url: tuple[str, ...] = ()
    http_header: tuple[tuple[str, str], ...] = ()
    """(key, value)"""
    tcp_flags: tuple[int, ...] = ()
    """enums.TCPFlags: all of these are set in the flow"""
    node_name: tuple[str, ...] = ()
    node_labels: tuple[str, ...] = ()
    ip_version: tuple[int, ...] = ()
    """enums.IPVersion"""
    trace_id: tuple[str, ...] = ()
    ip_trace_id: tuple[int, ...] = ()
    encrypted: tuple[bool, ...] = ()
    cel_expression: tuple[str, ...] = ()
    """`experimental.cel_expression`"""
    beyond: BeyondHubble = BeyondHubble()
    """Not Hubble's: see there."""

"""The one table of what can be asked of flows: flags, completions and docs are made from it.

No numpy here, nor anything that needs it: the command line reads this table for `--help`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rubin.model import values as parse


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of the command line and the fields of the two filters (left OR right) that its value goes to."""

    name: str  # without dashes
    short: str
    field: "Field"
    left: str
    right: str
    help: str


@dataclass(frozen=True, slots=True)
class Field:
    """What can be asked, once: its flags and the fields of `filter.FlowFilter` behind them.

    Two `names` are the source's and the destination's: there are then `--from-FLAG` and `--to-FLAG` beside
    `--FLAG`, which asks for either. `read` makes a value of the flag's text (raises UsageError); a flag without
    `metavar` takes none and stands for `value`. In `help`, `{way}` becomes "from", "to", or "from or to".
    """

    flag: str
    names: tuple[str, ...]
    metavar: str = ""
    read: Callable[[str], Any] = str
    help: str = ""
    short: str = ""
    value: Any = None
    choices: tuple[str, ...] = ()
    beyond: bool = False  # a field of `filter.BeyondHubble`: asked of our own servers only

    def flags(self) -> Iterator[Flag]:
        """One flag, or the three of a field with sides."""
        first, last = self.names[0], self.names[-1]
        text = self.help.replace("{way}", "from or to")
        yield Flag(self.flag, self.short, self, first, last, text)
        if len(self.names) == 2:
            for way, name in (("from", first), ("to", last)):
                yield Flag(f"{way}-{self.flag}", "", self, name, name, self.help.replace("{way}", way))


def _both(name: str) -> tuple[str, str]:
    return f"source_{name}", f"destination_{name}"


# fmt: off
FIELDS: tuple[Field, ...] = (
    Field("pod", _both("pod"), "[NAMESPACE/]NAME", parse.namespaced, help=
          "flows {way} pods whose name begins so, in 'default'; NAMESPACE/ is all in it, /NAME any namespace's"),
    Field("service", _both("service"), "[NAMESPACE/]NAME", parse.namespaced, help=
          "flows {way} an address of services whose name begins so, written as for --pod"),
    Field("workload", _both("workload"), "[KIND/]NAME", parse.workload, help=
          "flows {way} a workload: shop, Deployment/shop, or Deployment/ for all of the kind"),
    Field("label", _both("label"), "SELECTOR", parse.selector, short="l", help=
          "flows {way} endpoints with these labels: app=shop, k8s:tier in (front,back), !canary, reserved:host"),
    Field("identity", _both("identity"), "IDENTITY", parse.identity, choices=parse.IDENTITIES, help=
          "flows {way} endpoints of this security identity, a number or a reserved name"),
    Field("cluster", _both("cluster_name"), "NAME", parse.filled("cluster"), help=
          "flows {way} endpoints of the cluster with exactly this name"),
    Field("fqdn", _both("fqdn"), "PATTERN", parse.domain, help=
          "flows {way} a DNS name such as *.example.com"),
    Field("ip", _both("ip"), "ADDRESS", parse.address, help=
          "flows {way} an IP address or CIDR"),
    Field("snat-ip", ("source_ip_xlated",), "ADDRESS", parse.address, help=
          "flows whose source was translated to this IP address or CIDR"),
    Field("ipv4", ("ip_version",), value=1, short="4", help=
          "IPv4 flows"),
    Field("ipv6", ("ip_version",), value=2, short="6", help=
          "IPv6 flows"),
    Field("ip-version", ("ip_version",), "VERSION", parse.ip_version, choices=("none", "v4", "v6"), help=
          "flows of this IP version; 'none' are those without IP, such as ARP"),
    Field("port", _both("port"), "PORT", parse.port, help=
          "flows {way} this TCP, UDP or SCTP port"),
    Field("protocol", ("protocol",), "NAME", parse.protocol, choices=parse.PROTOCOL_NAMES, help=
          "flows of this protocol of layer 4 or 7"),
    Field("tcp-flags", ("tcp_flags",), "FLAG[,FLAG]", parse.tcp_flags, choices=parse.TCP_FLAGS, help=
          "TCP flows with all of these flags set"),
    Field("verdict", ("verdict",), "VERDICT", parse.verdict, choices=parse.VERDICTS, help=
          "flows with this verdict"),
    Field("drop-reason-desc", ("drop_reason_desc",), "REASON", parse.drop_reason, choices=parse.DROP_REASONS, help=
          "dropped flows with this reason, in Hubble's words"),
    Field("type", ("event_type",), "TYPE[:SUBTYPE]", parse.event_type, short="t", choices=parse.EVENTS, help=
          f"events of this type: {', '.join(parse.EVENT_TYPES)}; or seen at a point, as trace:to-endpoint"),
    Field("traffic-direction", ("traffic_direction",), "DIRECTION", parse.direction, choices=parse.DIRECTIONS, help=
          "flows that come in to or go out of the local endpoint"),
    Field("reply", ("reply",), value=True, help=
          "flows that answer: against the direction of the connection's opener"),
    Field("not-reply", ("reply",), value=False, help=
          "flows in the direction of the connection's opener; drops count as such"),
    Field("encrypted", ("encrypted",), value=True, help=
          "flows that travel encrypted between nodes"),
    Field("unencrypted", ("encrypted",), value=False, help=
          "flows that do not travel encrypted between nodes"),
    Field("interface", ("interface",), "NAME", parse.interface, help=
          "flows seen at this network interface"),
    Field("http-status", ("http_status_code",), "CODE", parse.http_status, help=
          "HTTP responses with this status: 404, or 4+ for all that begin so"),
    Field("http-method", ("http_method",), "METHOD", parse.filled("HTTP method"), choices=parse.HTTP_METHODS, help=
          "HTTP flows with this method, in either case"),
    Field("http-path", ("http_path",), "REGEX", parse.regex("http-path"), help=
          "HTTP flows in whose path this RE2 expression is found"),
    Field("http-url", ("http_url",), "REGEX", parse.regex("http-url"), help=
          "HTTP flows in whose URL this RE2 expression is found"),
    Field("http-header", ("http_header",), "KEY:VALUE", parse.http_header, help=
          "HTTP flows with exactly this header"),
    Field("dns-query", ("dns_query",), "REGEX", parse.regex("dns-query"), help=
          "DNS flows in whose name this RE2 expression is found"),
    Field("trace-id", ("trace_id",), "ID", parse.filled("trace id"), help=
          "flows of this distributed trace (W3C traceparent)"),
    Field("ip-trace-id", ("ip_trace_id",), "NUMBER", parse.ip_trace_id, help=
          "flows whose packets carry this trace number as an IP option"),
    Field("uuid", ("uuid",), "UUID", parse.uuid, help=
          "the one flow with this UUID"),
    Field("node-name", ("node_name",), "PATTERN", parse.node, help=
          "flows seen by these nodes: node, cluster/node or cluster/, with * for any letters"),
    Field("node-label", ("node_labels",), "SELECTOR", parse.selector, help=
          "flows seen by nodes with these labels, written as for --label"),
    Field("cel-expression", ("cel_expression",), "EXPRESSION", parse.filled("CEL expression"), help=
          "flows for which this CEL expression holds, as in _flow.verdict == Verdict.DROPPED"),
    # What Hubble's messages cannot ask:
    Field("process", _both("process"), "COMMAND", parse.filled("process"), beyond=True, help=
          "flows {way} local processes with this command name or executable"),
    Field("pid", _both("pid"), "PID", parse.number("pid"), beyond=True, help=
          "flows {way} the local process with this number"),
    Field("user", _both("user"), "USER", parse.filled("user"), beyond=True, help=
          "flows {way} local processes of this user, a name or number"),
    Field("container", _both("container"), "NAME|ID", parse.filled("container"), beyond=True, help=
          "flows {way} the local container with this name, or whose id begins so"),
    Field("image", _both("image"), "IMAGE", parse.filled("image"), beyond=True, help=
          "flows {way} local containers of this image: nginx, nginx:1.25 or all of its name"),
    Field("unit", _both("unit"), "UNIT", parse.filled("unit"), beyond=True, help=
          "flows {way} the local systemd unit: nginx or nginx.service"),
    Field("cgroup", ("cgroup",), "PATH", parse.filled("cgroup"), beyond=True, help=
          "flows of local processes in this cgroup or below it"),
    Field("kernel-drop-reason", ("kernel_drop_reason",), "REASON", parse.filled("drop reason"), beyond=True, help=
          "dropped flows with this reason, in the kernel's words, such as NETFILTER_DROP"),
    Field("tcp-event", ("tcp_event",), "EVENT", parse.tcp_event, choices=parse.TCP_EVENTS, beyond=True, help=
          "this step in a TCP connection's life"),
)
"""All of them; a field of `FlowFilter` has at least one line."""

NAMESPACE_FLAGS: tuple[tuple[str, str, str, str], ...] = (
    # flag, short, metavariable ("" takes no value and means any namespace), help
    ("namespace", "n", "NAME", "flows from or to this Kubernetes namespace"),
    ("from-namespace", "", "NAME", "flows from this Kubernetes namespace"),
    ("to-namespace", "", "NAME", "flows to this Kubernetes namespace"),
    ("all-namespaces", "A", "", "flows from or to any Kubernetes namespace"),
    ("from-all-namespaces", "", "", "flows from any Kubernetes namespace"),
    ("to-all-namespaces", "", "", "flows to any Kubernetes namespace"),
)
"""Put before the names of --pod and --service that have none, or before an empty one: all pods of the namespace."""

EXCLUSIVE: tuple[tuple[str, ...], ...] = (
    # At most one flag of each group may be in the allowing filter, and at most one in the denying
    ("from-fqdn", "from-ip", "ip", "fqdn", "from-namespace", "namespace", "from-all-namespaces", "all-namespaces"),
    ("from-fqdn", "from-ip", "ip", "fqdn", "from-pod", "pod"),
    ("to-fqdn", "to-ip", "ip", "fqdn", "to-namespace", "namespace", "to-all-namespaces", "all-namespaces"),
    ("to-fqdn", "to-ip", "ip", "fqdn", "to-pod", "pod"),
    ("to-pod", "namespace", "all-namespaces"),
    ("from-pod", "namespace", "all-namespaces"),
    ("to-service", "namespace", "all-namespaces"),
    ("from-service", "namespace", "all-namespaces"),
    ("label", "from-label"),
    ("label", "to-label"),
    ("service", "from-service"),
    ("service", "to-service"),
    ("port", "to-port"),
    ("port", "from-port"),
    ("identity", "to-identity"),
    ("identity", "from-identity"),
    ("workload", "to-workload"),
    ("workload", "from-workload"),
    ("encrypted", "unencrypted"),
    ("reply", "not-reply"),
)
# fmt: on

"""`Flow.Summary`: a flow's last word, as Hubble writes it (clients print it as it comes)."""

import numpy as np
import numpy.typing as npt

from rubin.model import icmp
from rubin.model.batch import FlowBatch
from rubin.model.enums import EventType, FlowType, Protocol, TCPFlags
from rubin.model.tables import DNS, HTTP, Contents

_REQUEST = 1  # L7FlowType

# Hubble's order, not that of the wire.
_FLAGS = [TCPFlags[name] for name in ("SYN", "ACK", "RST", "FIN", "PSH", "URG", "ECE", "CWR", "NS")]

# RFC 1035, 2136: the words are gopacket's.
_RCODES = {
    1: "Format Error",
    2: "Server Failure",
    3: "Non-Existent Domain",
    4: "Not Implemented",
    5: "Query Refused",
    6: "Name Exists when it should not",
    7: "RR Set Exists when it should not",
    8: "RR Set that should exist does not",
    9: "Server Not Authoritative for zone",
    10: "Name not contained in zone",
}

KEY = ("flow_type", "event_type", "protocol", "tcp_flags", "icmp_type", "icmp_code", "ip_version")
"""The columns that say which summary a flow without contents has."""


def of_packet(
    flow_type: int, event_type: int, protocol: int, tcp_flags: int, icmp_type: int, icmp_code: int, ip_version: int
) -> str:
    """The summary of a flow without contents; "" where nothing is known of the packet."""
    if event_type == EventType.TRACE_SOCK:
        return {int(Protocol.TCP): "TCP", int(Protocol.UDP): "UDP"}.get(protocol, "Unknown")
    if flow_type == FlowType.L7:
        return ""
    match protocol:
        case Protocol.TCP:
            flags = ", ".join(flag.name or "" for flag in _FLAGS if tcp_flags & flag)
            return f"TCP Flags: {flags}" if flags else "TCP"  # the end of a connection is no packet
        case Protocol.UDP:
            return "UDP"
        case Protocol.SCTP:
            return "SCTP"
        case Protocol.ICMPv4:
            return f"ICMPv4 {icmp.text(False, icmp_type, icmp_code)}"
        case Protocol.ICMPv6:
            return f"ICMPv6 {icmp.text(True, icmp_type, icmp_code)}"
        case Protocol.VRRP:
            return "VRRP Advertisement"  # RFC 5798: the only type there is
        case Protocol.IGMP:
            return "IGMP"
    return {1: "IPv4", 2: "IPv6"}.get(ip_version, "")


def of_contents(contents: Contents) -> str:
    """The summary of a request or response; "" where the contents do not decide it."""
    if contents.summary:
        return contents.summary
    if contents.http:
        return _http(contents.http, contents.latency_ns)
    return _dns(contents.dns, contents.l7_type) if contents.dns else ""


def _http(http: HTTP, latency_ns: int) -> str:
    if not http.code:
        return f"{http.protocol} {http.method} {http.url}"
    return f"{http.protocol} {http.code} {latency_ns // 1_000_000}ms ({http.method} {http.url})"


def _dns(dns: DNS, l7_type: int) -> str:
    types = ",".join(dns.qtypes)
    if l7_type == _REQUEST:
        return f"DNS Query {dns.query} {types}"
    if dns.rcode:
        answer = f"RCode: {_RCODES.get(dns.rcode, 'Unknown')}"
    else:
        parts = [f'"{",".join(dns.ips)}"'] if dns.ips else []
        answer = " ".join([*parts, f'CNAMEs: "{",".join(dns.cnames)}"'] if dns.cnames else parts)
    source = "Proxy" if dns.observation_source == "proxy" else "Query"
    return f"DNS Answer {answer} TTL: {dns.ttl} ({source} {dns.query} {types})"


def summaries(batch: FlowBatch) -> list[str]:
    """The summary of each row, made once per distinct shape and per row of contents."""
    key: npt.NDArray[np.uint64] = np.zeros(len(batch), np.uint64)
    for name in KEY:
        bits = np.uint64(batch[name].dtype.itemsize * 8)
        key = key << bits | batch[name].astype(np.uint64)
    _, first, where = np.unique(key, return_index=True, return_inverse=True)
    shapes = [of_packet(*(int(batch[name][row]) for name in KEY)) for row in first.tolist()]
    texts = [shapes[shape] for shape in where.tolist()]
    codes = batch["contents"]
    for row in np.flatnonzero(codes).tolist():
        texts[row] = of_contents(batch.tables.contents[int(codes[row])]) or texts[row]
    return texts

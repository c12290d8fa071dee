"""`Flow.Summary`: a flow's last word, as Hubble writes it (clients print it as it comes)."""

from rubin.model import icmp
from rubin.model.enums import EventType, FlowType, Protocol, TCPFlags
from rubin.model.messages import DNS, Message, MessageType, request

_NAMES = {
    "postgresql": "PostgreSQL",
    "mysql": "MySQL",
    "redis": "Redis",
    "kafka": "Kafka",
    "tls": "TLS",
    "websocket": "WebSocket",
}

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
"""The columns that say which summary a flow without contents or message has."""


def of_packet(
    flow_type: int, event_type: int, protocol: int, tcp_flags: int, icmp_type: int, icmp_code: int, ip_version: int
) -> str:
    """The summary of a packet; "" where nothing is known of the packet."""
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


def of_message(message: Message) -> str:
    """The summary of a request or response, as a flow of its direction shows it; "" where there is nothing to say.

    HTTP's (and gRPC's) and DNS's are Hubble's; the others are made after them.
    """
    match message.protocol:
        case "http" | "grpc":
            return _http(message)
        case "dns":
            return _dns(message.dns or DNS(), message.type)
        case "":
            return ""
    name, asked = _NAMES[message.protocol], request(message.method, message.target)
    if message.type != MessageType.RESPONSE:
        return f"{name} {asked}"
    status = str(message.status or "")
    answer = f"ERROR {message.error or status}".rstrip() if message.failed else status or "OK"
    return f"{name} {answer} {_ms(message)}" + (f" ({asked})" if asked else "")


def http_version(message: Message) -> str:
    """As Hubble has it in `http.protocol`."""
    return message.version or ("HTTP/2" if message.protocol == "grpc" else "")


def _http(message: Message) -> str:
    version, asked = http_version(message), f"{message.method} {message.url}"
    if not message.status:
        return f"{version} {asked}"
    return f"{version} {message.status}{_call_error(message)} {_ms(message)} ({asked})"


def _call_error(message: Message) -> str:
    """` grpc-status 5 NOT_FOUND`; "" where the call went well, or it is no call."""
    if message.protocol != "grpc" or not message.failed:
        return ""
    status = next((f" grpc-status {value}" for name, value in message.attributes if name == "grpc-status"), "")
    return status + (f" {message.error}" if message.error else "")


def _ms(message: Message) -> str:
    return f"{message.latency_ns // 1_000_000}ms"


def _dns(dns: DNS, kind: int) -> str:
    types = ",".join(dns.qtypes)
    if kind == MessageType.REQUEST:
        return f"DNS Query {dns.query} {types}"
    if dns.rcode:
        answer = f"RCode: {_RCODES.get(dns.rcode, 'Unknown')}"
    else:
        parts = [f'"{",".join(dns.ips)}"'] if dns.ips else []
        answer = " ".join([*parts, f'CNAMEs: "{",".join(dns.cnames)}"'] if dns.cnames else parts)
    source = "Proxy" if dns.observation_source == "proxy" else "Query"
    return f"DNS Answer {answer} TTL: {dns.ttl} ({source} {dns.query} {types})"

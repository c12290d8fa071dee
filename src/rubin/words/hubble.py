"""Hubble's words for the numbers of a flow: drop reasons, points, match types, identities."""

from rubin.model.enums import Direction, EventType, Identity, TracePoint, Verdict

IDENTITIES = {int(identity): identity.text for identity in Identity}
POINTS = {point.sub_type: point.name.lower().replace("_", "-") for point in TracePoint if point}
MATCHES = {0: "none", 1: "L3-Only", 2: "L3-L4", 3: "L4-Only", 4: "all", 5: "L3-Proto", 6: "Proto-Only"}
SOCKET_POINTS = {
    0: "SOCK_XLATE_POINT_UNKNOWN",
    1: "pre-xlate-fwd",
    2: "post-xlate-fwd",
    3: "pre-xlate-rev",
    4: "post-xlate-rev",
}
CAPTURE_POINTS = {
    0: "DBG_CAPTURE_POINT_UNKNOWN",
    4: "DBG_CAPTURE_DELIVERY",
    5: "DBG_CAPTURE_FROM_LB",
    6: "DBG_CAPTURE_AFTER_V46",
    7: "DBG_CAPTURE_AFTER_V64",
    8: "DBG_CAPTURE_PROXY_PRE",
    9: "DBG_CAPTURE_PROXY_POST",
    10: "DBG_CAPTURE_SNAT_PRE",
    11: "DBG_CAPTURE_SNAT_POST",
}
L7_TYPES = {0: "unknown_l7_type", 1: "request", 2: "response", 3: "sample"}

# What the datapath's numbers mean to Hubble's printer (hubble.md 4.4); below 130 they are no drops.
DROPS = {
    0: "Success",
    2: "Invalid packet",
    3: "Interface",
    4: "Interface Decrypted",
    5: "LB, sock cgroup: No backend slot entry found",
    6: "LB, sock cgroup: No backend entry found",
    7: "LB, sock cgroup: Reverse entry update failed",
    8: "LB, sock cgroup: Reverse entry stale",
    9: "Fragmented packet",
    10: "Fragmented packet entry update failed",
    11: "Missed tail call to custom program",
    12: "Interface Decrypting",
    13: "Interface Encrypting",
    14: "LB: sock cgroup: Reverse entry delete succeeded",
    15: "MTU error message",
    130: "Invalid source mac",
    131: "Invalid destination mac",
    132: "Invalid source ip",
    133: "Policy denied",
    134: "Invalid packet",
    135: "CT: Truncated or invalid header",
    136: "Fragmentation needed",
    137: "CT: Unknown L4 protocol",
    138: "CT: Can't create entry from packet",
    139: "Unsupported L3 protocol",
    140: "Missed tail call",
    141: "Error writing to packet",
    142: "Unknown L4 protocol",
    143: "Unknown ICMPv4 code",
    144: "Unknown ICMPv4 type",
    145: "Unknown ICMPv6 code",
    146: "Unknown ICMPv6 type",
    147: "Error retrieving tunnel key",
    148: "Error retrieving tunnel options",
    149: "Invalid Geneve option",
    150: "Unknown L3 target address",
    151: "Stale or unroutable IP",
    152: "No matching local container found",
    153: "Error while correcting L3 checksum",
    154: "Error while correcting L4 checksum",
    155: "CT: Map insertion failed",
    156: "Invalid IPv6 extension header",
    157: "IP fragmentation not supported",
    158: "Service backend not found",
    160: "No tunnel/encapsulation endpoint (datapath BUG!)",
    161: "NAT 46/64 not enabled",
    162: "Reached EDT rate-limiting drop horizon",
    163: "Unknown connection tracking state",
    164: "Local host is unreachable",
    165: "No configuration available to perform policy decision",
    166: "Unsupported L2 protocol",
    167: "No mapping for NAT masquerade",
    168: "Unsupported protocol for NAT masquerade",
    169: "FIB lookup failed",
    170: "Encapsulation traffic is prohibited",
    171: "Invalid identity",
    172: "Unknown sender",
    173: "NAT not needed",
    174: "Is a ClusterIP",
    175: "First logical datagram fragment not found",
    176: "Forbidden ICMPv6 message",
    177: "Denied by LB src range check",
    178: "Socket lookup failed",
    179: "Socket assign failed",
    180: "Proxy redirection not supported for protocol",
    181: "Policy denied by denylist",
    182: "VLAN traffic disallowed by VLAN filter",
    183: "Incorrect VNI from VTEP",
    184: "Failed to update or lookup TC buffer",
    185: "No SID was found for the IP address",
    186: "SRv6 state was removed during tail call",
    187: "L3 translation from IPv4 to IPv6 failed (NAT46)",
    188: "L3 translation from IPv6 to IPv4 failed (NAT64)",
    189: "Authentication required",
    190: "No conntrack map found",
    191: "No nat map found",
    192: "Invalid ClusterID",
    193: "Unsupported packet protocol for DSR encapsulation",
    194: "No egress gateway found",
    195: "Traffic is unencrypted",
    196: "TTL exceeded",
    197: "No node ID found",
    198: "Rate limited",
    199: "IGMP handled",
    200: "IGMP subscribed",
    201: "Multicast handled",
    202: "Host datapath not ready",
    203: "Endpoint policy program not available",
    204: "No Egress IP configured",
    205: "Punt to proxy",
    206: "No device",
    207: "First logical datagram fragment not found from world",
}

_POLICY_VERDICTS = {
    Verdict.FORWARDED: "ALLOWED",
    Verdict.REDIRECTED: "ALLOWED",
    Verdict.DROPPED: "DENIED",
    Verdict.ERROR: "DENIED",
    Verdict.AUDIT: "AUDITED",
}


def identity(number: int) -> str:
    """`(world)`, `(ID:12345)`; 0 is `(unknown)`."""
    return f"({IDENTITIES[number]})" if number in IDENTITIES else f"(ID:{number})"


def direction(number: int) -> str:
    """`INGRESS`, as Hubble's enumeration has it."""
    return _name(Direction, number)


def verdict(number: int, event_type: int) -> str:
    """`FORWARDED`; what a policy decided is `ALLOWED`, `DENIED` or `AUDITED`."""
    if event_type == EventType.POLICY_VERDICT and number in _POLICY_VERDICTS:
        return _POLICY_VERDICTS[Verdict(number)]
    return _name(Verdict, number)


def drop(number: int) -> str:
    """`Policy denied`; an unknown number as Hubble writes it."""
    return DROPS.get(number, f"{number}, 0")


def _name(kind: type[Verdict] | type[Direction], number: int) -> str:
    """The name of the number; the number itself where a newer server knows more than we do."""
    return kind(number).name if number in kind._value2member_map_ else str(number)

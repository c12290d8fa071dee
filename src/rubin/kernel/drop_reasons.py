"""The kernel's drop reasons: their own names, from the running kernel, and the nearest that Hubble has."""

from rubin.kernel import btf
from rubin.model.enums import DropReason as R

_PREFIX = "SKB_DROP_REASON_"
_SUBSYSTEM_PREFIX = "SKB_DROP_REASON_SUBSYS_"

# Functions in which a free without a reason (NOT_SPECIFIED) loses nothing: what comes for a connection in TIME_WAIT, an
# ACK for whose connection the other side has closed, what a closing socket had not read, ICMPv6 that was dealt with
# (before 6.3), and the made-up packets on which programs are run (our own sweeps are). Elsewhere such a free may be a
# drop: a route into a blackhole is one.
QUIET = (
    *("tcp_v4_rcv", "tcp_v6_rcv", "tcp_rcv_state_process", "udp_destruct_common", "inet_sock_destruct", "icmpv6_rcv"),
    "bpf_prog_test_run_skb",
)

# Left out on purpose, so that they stay DROP_REASON_UNKNOWN: full buffers (SOCKET_RCVBUFF, CPU_BACKLOG, PROTO_MEM,
# NOMEM) and TCP's own checks of sequence and state, for which Hubble has no word; and NOT_SPECIFIED.
NEAREST: dict[R, tuple[str, ...]] = {
    # someone put a rule or a program there, and it said no
    R.POLICY_DENIED: (
        *("NETFILTER_DROP", "BPF_CGROUP_EGRESS", "TC_INGRESS", "TC_EGRESS", "XDP", "SECURITY_HOOK", "XFRM_POLICY"),
        *("SOCKET_FILTER", "TAP_FILTER", "TAP_TXFILTER", "ARP_PVLAN_DISABLE"),
    ),
    # nobody listens there
    R.SOCKET_LOOKUP_FAILED: ("NO_SOCKET",),
    R.UNKNOWN_L4_PROTOCOL: ("IP_NOPROTO", "INVALID_PROTO"),
    R.UNSUPPORTED_L3_PROTOCOL: ("IPV6DISABLED",),
    R.UNSUPPORTED_L2_PROTOCOL: ("UNHANDLED_PROTO", "MAC_IEEE_MAC_CONTROL"),
    # no way to the destination
    R.FIB_LOOKUP_FAILED: ("IP_OUTNOROUTES", "IP_INNOROUTES", "IP_INADDRERRORS", "NO_TX_TARGET"),
    R.UNKNOWN_L3_TARGET_ADDRESS: (
        "NEIGH_CREATEFAIL",
        "NEIGH_FAILED",
        "NEIGH_QUEUEFULL",
        "NEIGH_DEAD",
        "NEIGH_HH_FILLFAIL",
    ),
    # an address that may not be where it is
    R.INVALID_SOURCE_IP: ("IP_RPFILTER", "IP_LOCAL_SOURCE", "IP_INVALID_SOURCE", "IP_LOCALNET"),
    R.STALE_OR_UNROUTABLE_IP: ("IP_INVALID_DEST", "UNICAST_IN_L2_MULTICAST"),
    R.INVALID_SOURCE_MAC: ("MAC_INVALID_SOURCE", "LOCAL_MAC"),
    R.INVALID_DESTINATION_MAC: ("OTHERHOST", "IPV6_NDISC_NS_OTHERHOST"),
    # what the packet says of itself is wrong
    R.INVALID_PACKET_DROPPED: (
        *("PKT_TOO_SMALL", "IP_INHDR", "HDR_TRUNC", "DEV_HDR", "TCP_FLAGS", "TCP_INVALID_SYN", "SKB_GSO_SEG"),
        *("IPV6_NDISC_FRAG", "IPV6_NDISC_HOP_LIMIT", "IPV6_NDISC_BAD_OPTIONS", "VXLAN_INVALID_HDR", "IP_TUNNEL_ECN"),
    ),
    R.UNKNOWN_ICMPV6_CODE: ("IPV6_NDISC_BAD_CODE",),
    R.INVALID_IPV6_EXTENSION_HEADER: ("IPV6_BAD_EXTHDR",),
    R.ERROR_WHILE_CORRECTING_L3_CHECKSUM: ("IP_CSUM",),
    R.ERROR_WHILE_CORRECTING_L4_CHECKSUM: ("TCP_CSUM", "UDP_CSUM", "ICMP_CSUM", "SKB_CSUM"),
    R.AUTH_REQUIRED: (
        *("TCP_AUTH_HDR", "TCP_MD5NOTFOUND", "TCP_MD5UNEXPECTED", "TCP_MD5FAILURE"),
        *("TCP_AONOTFOUND", "TCP_AOUNEXPECTED", "TCP_AOKEYNOTFOUND", "TCP_AOFAILURE", "PSP_INPUT", "PSP_OUTPUT"),
    ),
    # 136 is printed as "Fragmentation needed" nowadays, but its name in JSON is still another one
    R.IP_FRAGMENTATION_NOT_SUPPORTED: ("PKT_TOO_BIG",),
    R.FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND: ("FRAG_REASM_TIMEOUT", "FRAG_TOO_FAR", "DUP_FRAG"),
    R.TTL_EXCEEDED: ("TCP_MINTTL",),
    # a shaper's choice
    R.DROP_RATE_LIMITED: (
        *("QDISC_DROP", "QDISC_OVERLIMIT", "QDISC_CONGESTED", "CAKE_FLOOD", "FQ_BAND_LIMIT", "FQ_FLOW_LIMIT"),
        "DUALPI2_STEP_DROP",
    ),
    R.REACHED_EDT_RATE_LIMITING_DROP_HORIZON: ("FQ_HORIZON_LIMIT",),
    R.INVALID_VNI: ("VXLAN_VNI_NOT_FOUND",),
    R.ERROR_RETRIEVING_TUNNEL_KEY: ("TUNNEL_TXINFO",),
}
_NUMBERS = {name: reason for reason, names in NEAREST.items() for name in names}


class DropReasons:
    """Names and nearest Hubble reasons by the numbers of one kernel."""

    def __init__(self, names: dict[int, str], subsystems: dict[int, str]) -> None:
        """`names` and `subsystems` as in the kernel's enums, prefixes included."""
        self._names = {number: name.removeprefix(_PREFIX) for number, name in names.items()}
        self._subsystems = {number: name.removeprefix(_SUBSYSTEM_PREFIX) for number, name in subsystems.items()}

    def name(self, number: int) -> str:
        """`NETFILTER_DROP`; `OPENVSWITCH/3` for a subsystem's own; the number where the kernel told no name."""
        if number in self._names:
            return self._names[number]
        subsystem = self._subsystems.get(number >> 16) if number >> 16 else None
        return f"{subsystem}/{number & 0xFFFF}" if subsystem else str(number)

    def nearest(self, number: int) -> R:
        """Hubble's reason that says most nearly the same."""
        return _NUMBERS.get(self.name(number), R.DROP_REASON_UNKNOWN)


def of_kernel() -> DropReasons:
    """The running kernel's reasons (enum skb_drop_reason; since 5.17). Raises UnsupportedError without BTF."""
    with btf.of_kernel() as types:
        return DropReasons(types.enum("skb_drop_reason"), types.enum("skb_drop_reason_subsys"))

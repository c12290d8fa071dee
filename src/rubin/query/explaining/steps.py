"""What to try: a next step that follows from what was seen; none where nothing does."""

import shlex
from collections.abc import Iterator

from rubin.query.explaining.case import Case
from rubin.query.explaining.history import ANSWER, History
from rubin.query.explaining.listener import is_unheard
from rubin.query.explaining.talk import uuid_of
from rubin.query.explaining.verdict import elsewhere

_ATTACHED = "bpftool net show lists the programs that are attached to interfaces."
_ROUTE = "ip route get {target} shows the route that the kernel takes, or that there is none."
_NEIGHBOUR = "ip neigh show lists the next hops; FAILED are those that do not answer."
_QUEUE = "tc -s qdisc shows the queues and how many packets each has dropped."
_SLOW = "ss -tunmp shows how much waits in each socket, and whose it is."
_KEYS = "The two ends have different TCP authentication keys or options: compare their settings."
_MEMORY = "free -m and dmesg show whether the host is short of memory; sysctl net.ipv4.tcp_mem what TCP may take."
# By the kernel's reason: what to run on the node that dropped.
_BY_REASON = {
    "NETFILTER_DROP": "nft list ruleset lists the rules; iptables-save -c those of iptables, with their counters.",
    "TCP_LISTEN_OVERFLOW": "{listening} shows the length of the queue (Recv-Q) and its limit (Send-Q).",
    "BPF_CGROUP_EGRESS": "bpftool cgroup tree lists the programs that are attached to cgroups.",
    "TC_INGRESS": _ATTACHED,
    "TC_EGRESS": _ATTACHED,
    "XDP": _ATTACHED,
    "IP_OUTNOROUTES": _ROUTE,
    "IP_INNOROUTES": _ROUTE,
    "IP_INADDRERRORS": _ROUTE,
    "IPV6DISABLED": "sysctl -a -r disable_ipv6 shows where IPv6 is switched off.",
    "IP_RPFILTER": "ip route get {source} shows the way back; sysctl -a -r rp_filter whether it must be the same.",
    "NEIGH_CREATEFAIL": _NEIGHBOUR,
    "NEIGH_FAILED": _NEIGHBOUR,
    "NEIGH_QUEUEFULL": _NEIGHBOUR,
    "NEIGH_DEAD": _NEIGHBOUR,
    "XFRM_POLICY": "ip xfrm policy and ip xfrm state list what must be protected, and how.",
    "PKT_TOO_BIG": "ip link shows the MTU of each interface; tracepath {target} where the way narrows.",
    "DEV_READY": "ip -s link shows which interfaces are down.",
    "QDISC_DROP": _QUEUE,
    "QDISC_OVERLIMIT": _QUEUE,
    "QDISC_CONGESTED": _QUEUE,
    "CAKE_FLOOD": _QUEUE,
    "FQ_BAND_LIMIT": _QUEUE,
    "FQ_FLOW_LIMIT": _QUEUE,
    "SOCKET_RCVBUFF": _SLOW,
    "SOCKET_BACKLOG": _SLOW,
    "TCP_ZEROWINDOW": _SLOW,
    "PROTO_MEM": _MEMORY,
    "NOMEM": _MEMORY,
    "CPU_BACKLOG": "/proc/net/softnet_stat counts, in its second column, what each processor has dropped.",
    "SECURITY_HOOK": "journalctl -k shows what the security module has refused.",
    "TCP_MD5NOTFOUND": _KEYS,
    "TCP_MD5UNEXPECTED": _KEYS,
    "TCP_MD5FAILURE": _KEYS,
    "TCP_AONOTFOUND": _KEYS,
    "TCP_AOUNEXPECTED": _KEYS,
    "TCP_AOKEYNOTFOUND": _KEYS,
    "TCP_AOFAILURE": _KEYS,
    "TCP_AUTH_HDR": _KEYS,
}


def lines(case: Case, history: History) -> Iterator[str]:
    """Commands, each with what it shows; where to run them stands before."""
    found = list(_steps(case, history))
    yield from found or ["Nothing that follows from what is held."]


def _steps(case: Case, history: History) -> Iterator[str]:
    if case.kind == "dropped":
        yield from _dropped(case, history)
    elif case.kind == "refused":
        yield f"On the host of {case.server.address}: {_listening(case)} shows who listens there, if any."
        yield "If one does, a rule of that host or on the way rejects: nft list ruleset lists those of the host."
    elif case.kind == "unanswered":
        yield from _silent(case, history)
    elif case.kind == "reset":
        by = case.client if case.toward(case.fate)[0] else case.server
        yield f"{case.called(by)} ended it: the log of its program around that time may say why."
    elif case.kind == "failed" and uuid_of(case.flow):
        yield f"rubin trace {uuid_of(case.flow)} shows the request in full, with its connection."
    elif case.talk.failure:
        yield f"rubin explain {case.talk.failure} says more of the last request on it that failed."


def _dropped(case: Case, history: History) -> Iterator[str]:
    if is_unheard(case):
        yield f"{_there(case, history)}{_listening(case)} shows who listens there, if any."
        if history.server is not None:
            yield "The port had an owner before (see Listener): look whether that program still runs."
    elif case.reason in _BY_REASON:
        ends = (case.client, case.server) if case.toward(case.fate)[0] else (case.server, case.client)
        source, target = (end.address for end in ends)
        step = _BY_REASON[case.reason].format(listening=_listening(case), source=source, target=target)
        yield f"{_there(case, history)}{step}"
    elif case.reason:
        others = f"rubin observe --kernel-drop-reason {shlex.quote(case.reason)} --last 20 -o wide"
        yield f"{others} shows whether others are dropped for the same reason."
    else:
        yield "rubin observe --verdict DROPPED --last 20 -o wide shows what else is dropped."


def _there(case: Case, history: History) -> str:
    """`On node-1: `, and how to get into the network namespace that dropped where it is not the agent's."""
    (node,), netns = case.fate.rows("node_name"), elsewhere(case.fate)
    on = f"On {node or 'the host that dropped it'}"
    if not netns:
        return f"{on}: "
    processes = list(case.processes.values())
    if history.server is not None and not is_unheard(case):  # else it may have gone
        processes += history.server.rows("process")
    inside = next((one.pid for one in processes if one.pid and one.netns == netns), 0)
    return f"{on}: nsenter -t {inside} -n " if inside else f"{on}, in that network namespace: "


def _silent(case: Case, history: History) -> Iterator[str]:
    yield f"On the client's host: ip route get {case.server.address} shows the way that it takes."
    if history.mask(ANSWER).any():
        yield "The port answers others (see Listener): look for a rule that concerns this client, on either host."
    else:
        seen = f"tcpdump -ni any port {case.server.port}"
        yield f"On the host of {case.server.address}: {seen} shows whether the SYN arrives."


def _listening(case: Case) -> str:
    return f"ss -{'t' if case.is_tcp else 'u'}lnp 'sport = :{case.server.port}'"

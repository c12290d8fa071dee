"""What happened, in one sentence, and where that was decided."""

from collections.abc import Iterator

from rubin.model.batch import FlowBatch
from rubin.model.enums import Direction, EventType, Protocol, TCPFlags, Verdict
from rubin.model.messages import request, url
from rubin.model.tables import Policy
from rubin.query.explaining.case import DROPS, Case, End, is_waiting
from rubin.query.explaining.phrases import counted, moment, span
from rubin.wire.summary import KEY, of_packet
from rubin.words import hubble
from rubin.words.drop_reasons import meaning
from rubin.words.rcodes import ended
from rubin.words.units import latency

_HTTP = ("http", "grpc")


def lines(case: Case) -> Iterator[str]:
    """The sentence first."""
    yield _SENTENCES[case.kind](case)
    if case.kind == "dropped":
        yield from _reasons(case)
    if where := _where(case.fate):
        yield f"Where: {where}."
    if case.kind in ("dropped", "refused", "reset", "unanswered") and not _is_fate(case):
        yield f"The flow itself was forwarded, at {_at(case.flow)}; this is what became of its connection."
    if not case.is_sure:
        yield f"Who opened it was not seen; by its port, {case.server.text} is taken for the server."


def frame(case: Case) -> Iterator[str]:
    """Of what has no IP header: it belongs to no connection, so this is all that can be said."""
    (link,) = case.flow.rows("link")
    way = f" from {link.source_mac} to {link.destination_mac}" if link.source_mac or link.destination_mac else ""
    dropped = case.flow["verdict"][0] in DROPS
    yield f"{'DROPPED' if dropped else 'FORWARDED'}: a frame without IP{way}, at {_at(case.flow)}."
    if dropped:
        yield from _reasons(case)
    if where := _where(case.flow):
        yield f"Where: {where}."
    yield "It belongs to no connection: there is nothing to compare it with."


def ends(case: Case, flow: FlowBatch | None = None) -> str:
    """`from host/curl:4000 (10.0.0.1) to shop/web:80 (10.0.0.2)`; the way that a flow went, else that of the client."""
    along = flow is None or bool(case.toward(flow)[0])
    source, destination = (case.client, case.server) if along else (case.server, case.client)
    return f"from {named(case, source)} to {named(case, destination)}"


def named(case: Case, end: End) -> str:
    """`shop/web:80 (10.0.0.2)`; the address alone where nothing else is known."""
    called = case.called(end)
    return called if called == end.text else f"{called} ({end.address})"


def what(flow: FlowBatch) -> str:
    """`TCP SYN`, `TCP packet (ACK, FIN)`, `UDP packet`, `ICMPv4 EchoRequest`."""
    protocol = int(flow["protocol"][0])
    name = Protocol(protocol).name if protocol in Protocol._value2member_map_ and protocol else f"protocol {protocol}"
    if protocol == Protocol.TCP:
        flags = int(flow["tcp_flags"][0])
        if flags & (TCPFlags.SYN | TCPFlags.ACK) == TCPFlags.SYN:
            return "TCP SYN"
        set_ones = ", ".join(str(flag.name) for flag in TCPFlags if flags & flag)
        return f"TCP packet ({set_ones})" if set_ones else "TCP packet"
    if protocol in (Protocol.ICMPv4, Protocol.ICMPv6):
        return of_packet(*(int(flow[column][0]) for column in KEY))
    return f"{name} packet"


def said(case: Case) -> str:
    """`http GET http://shop/pay`."""
    message = case.message
    target = url(message.authority, message.target, message.secured) if message.protocol in _HTTP else message.target
    return f"{message.protocol} {request(message.method, target)}".strip()


def _dropped(case: Case) -> str:
    place = str(case.fate.rows("drop_location")[0])
    by = f" by the kernel, in {place}" if place else " by the kernel" if case.reason else ""
    return f"A {what(case.fate)} {ends(case, case.fate)} was dropped{by}, at {_at(case.fate)}."


def _refused(case: Case) -> str:
    asked = case.rows["time_ns"][case.toward(case.rows)]
    after = f" after {span(case.time_ns - int(asked[0]))}" if len(asked) else ""
    server = named(case, case.server)
    return f"{server} refused the connection from {named(case, case.client)}: the SYN was answered by a reset{after}."


def _reset(case: Case) -> str:
    by, other = (case.client, case.server) if case.toward(case.fate)[0] else (case.server, case.client)
    return f"{named(case, by)} reset its connection with {named(case, other)}, at {_at(case.fate)}."


def _unanswered(case: Case) -> str:
    return f"Nobody has answered the TCP SYN {ends(case)}; the last was sent at {_at(case.fate)}."


def _failed(case: Case) -> str:
    client, server = named(case, case.client), named(case, case.server)
    if is_waiting(case):
        return f"{server} has not answered what {client} asked at {_at(case.flow)}: {said(case)}."
    status = ended(case.message) or "an error"
    took = f" after {latency(case.message.latency_ns // 1000)}" if case.message.latency_ns else ""
    return f"{server} answered {client} with {status}{took}, at {_at(case.flow)}: {said(case)}."


def _forwarded(case: Case) -> str:
    verdict = hubble.verdict(int(case.flow["verdict"][0]), int(case.flow["event_type"][0]))
    about = f"{said(case)} {ends(case)}" if case.message.protocol else f"{what(case.flow)} {ends(case, case.flow)}"
    point = int(case.flow["event_sub_type"][0])
    at = f" ({hubble.POINTS[point]})" if _is_trace(case.flow) and point in hubble.POINTS else ""
    failures = case.talk.failures
    fine = ", and nothing went wrong on its connection as far as it is held" if verdict == "FORWARDED" else ""
    if failures:
        fine = f"; its connection works, and {counted(failures, 'answer')} on it told of an error"
    return f"{verdict}{at}: {about}, at {_at(case.flow)}{fine}."


_SENTENCES = {
    "dropped": _dropped,
    "refused": _refused,
    "reset": _reset,
    "unanswered": _unanswered,
    "failed": _failed,
    "forwarded": _forwarded,
}


def _reasons(case: Case) -> Iterator[str]:
    fate, reason = case.fate, case.reason
    if reason == "NO_SOCKET" and not case.is_opening:
        told = "The packet belongs to a connection that the receiving host does not know: it is closed there already."
        yield f"Kernel's reason: {reason}. {told}"
    elif reason:
        yield f"Kernel's reason: {reason}. {meaning(reason) or 'What it means is not known here.'}"
    number = int(fate["drop_reason"][0]) or int(fate["event_sub_type"][0])
    if number:
        yield f"Hubble's reason: {hubble.drop(number)}{', the nearest that it has' if reason else ''}."
    elif not reason:
        yield "Why is not known: the flow has no reason."
    (contents,) = fate.rows("contents")
    for way, policies in (("egress", contents.egress_denied_by), ("ingress", contents.ingress_denied_by)):
        for policy in policies:
            yield f"Denied by ({way}): {_policy(policy)}."


def _policy(of: Policy) -> str:
    name = f"{of.namespace}/{of.name}" if of.namespace else of.name
    return f"{of.kind} {name}".strip() or "a policy without a name"


def _where(flow: FlowBatch) -> str:
    (node,), (link,) = flow.rows("node_name"), flow.rows("link")
    direction = int(flow["traffic_direction"][0])
    parts = (
        f"node {node}" if node else "",
        Direction(direction).name.lower() if direction in (1, 2) else "",
        f"interface {link.name}" if link.name else "",
        f"network namespace net:[{netns}], not the agent's" if (netns := elsewhere(flow)) else "",
    )
    return ", ".join(filter(None, parts))


def elsewhere(flow: FlowBatch) -> int:
    """The inode of the network namespace that it was seen in, where that is not the agent's; 0: it is, or not known.

    An interface elsewhere has a number, but no name that means anything here.
    """
    (link,), (process,) = flow.rows("link"), flow.rows("process")
    return process.netns if link.index and not link.name else 0


def _is_trace(flow: FlowBatch) -> bool:
    return bool(flow["event_type"][0] == EventType.TRACE and flow["verdict"][0] == Verdict.FORWARDED)


def _is_fate(case: Case) -> bool:
    columns = ("time_ns", "uuid_high", "uuid_low", "verdict", "tcp_flags")
    return all(case.flow[name][0] == case.fate[name][0] for name in columns)


def _at(flow: FlowBatch) -> str:
    return moment(int(flow["time_ns"][0]))

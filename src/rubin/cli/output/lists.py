"""Nodes, namespaces and peers as text."""

from collections.abc import Sequence

from rubin.cli.output.columns import align
from rubin.cli.output.messages import go_json, message_dict
from rubin.wire.pb import peer_pb2, relay_pb2
from rubin.wire.pb.observer_pb2 import Namespace, Node
from rubin.words.text import clean
from rubin.words.times import SECOND_NS, duration_text

_NONE = "N/A"


def nodes(found: Sequence[Node], output: str) -> str:
    """`json`, `table` or `wide`."""
    if output == "json":
        return go_json([message_dict(node) for node in found], indent=2) + "\n"
    wide = output == "wide"
    head = ("NAME", "STATUS", "AGE", "FLOWS/S", "CURRENT/MAX-FLOWS", *(("VERSION", "ADDRESS", "TLS") if wide else ()))
    return align([head, *(_node(node, wide) for node in found)])


def _node(node: Node, wide: bool) -> tuple[str, ...]:
    seconds = (node.uptime_ns + SECOND_NS // 2) // SECOND_NS
    age = duration_text(node.uptime_ns, SECOND_NS) if seconds else _NONE
    rate = f"{node.seen_flows / seconds:.2f}" if seconds else _NONE
    ratio = _NONE
    if node.max_flows:
        ratio = f"{node.num_flows}/{node.max_flows} ({node.num_flows / node.max_flows * 100:6.2f}%)"
    state = relay_pb2.NodeState.Name(node.state) if node.state in relay_pb2.NodeState.values() else "UNKNOWN"
    status = "Unknown" if state.startswith("UNKNOWN") else state.removeprefix("NODE_").capitalize()
    tls = _NONE
    if node.HasField("tls"):
        tls = "Enabled" if node.tls.enabled else "Disabled"
    cells = (clean(node.name), status, age, rate, ratio)
    return (*cells, clean(node.version) or _NONE, clean(node.address), tls) if wide else cells


def namespaces(found: Sequence[Namespace], output: str) -> str:
    """`json`, `table` or `wide`."""
    if output == "json":
        return go_json([message_dict(each) for each in found], indent=2) + "\n"
    if output == "wide":
        return align([("NAMESPACE", "CLUSTER"), *((clean(each.namespace), clean(each.cluster)) for each in found)])
    return align([("NAMESPACE",), *((clean(each.namespace),) for each in found)])


def peer(change: peer_pb2.ChangeNotification) -> str:
    """`PEER_ADDED   1.2.3.4:4244 cluster/node (TLS.ServerName: …)`."""
    kinds = peer_pb2.ChangeNotificationType
    kind = kinds.Name(change.type) if change.type in kinds.values() else str(change.type)
    tls = f" (TLS.ServerName: {clean(change.tls.server_name)})" if change.HasField("tls") else ""
    return f"{kind:<12} {clean(change.address)} {clean(change.name)}{tls}\n"

"""`rubin status` as text: Hubble's numbers as Hubble prints them, then what only our own agent tells."""

from collections.abc import Mapping
from typing import Any

from rubin.cli.output.cluster import cluster, percent
from rubin.cli.output.columns import align
from rubin.cli.output.messages import go_json, message_dict
from rubin.wire.pb.observer_pb2 import ServerStatusResponse
from rubin.words.text import clean
from rubin.words.times import SECOND_NS, duration_text
from rubin.words.units import BYTES, scaled

_HEADS = ("NUM FLOWS", "MAX FLOWS", "SEEN FLOWS", "FLOWS PER SECOND", "UPTIME", "NUM CONNECTED NODES")
_UNITS = {
    "_bytes": (1024, BYTES),
    "_mb": (1024, ("MB", "GB")),
}
_SUFFIXES = {"_percent": " %", "_ns": " ns", "_us": " µs", "_ms": " ms", "_s": " s"}
_OF_SERVER = ("tls", "access", "audit")  # which a relay says as an agent does


def compact(status: ServerStatusResponse) -> str:
    """Hubble's lines."""
    ratio = f" ({status.num_flows / status.max_flows * 100:.2f}%)" if status.max_flows else ""
    lines = [f"Current/Max Flows: {status.num_flows:,}/{status.max_flows:,}{ratio}", f"Flows/s: {_rate(status, True)}"]
    connected, unavailable = status.num_connected_nodes.value, status.num_unavailable_nodes.value
    if status.HasField("num_connected_nodes"):
        total = f"/{connected + unavailable}" if status.HasField("num_unavailable_nodes") else ""
        lines.append(f"Connected Nodes: {connected}{total}")
    if unavailable:
        names = sorted(map(clean, status.unavailable_nodes))
        more = unavailable - len(names)
        names += [f"and {more} more..."] if names and more > 0 else []
        lines += [f"Unavailable Nodes: {unavailable}", *(f"  - {name}" for name in names)]
    return "\n".join(lines) + "\n"


def block(status: ServerStatusResponse) -> str:
    """`-o dict`."""
    heads = (*_HEADS, "NUM UNAVAIL. NODES", "VERSION")
    return "".join(f"{head:>19}: {value}\n" for head, value in zip(heads, _values(status), strict=True))


def table(status: ServerStatusResponse) -> str:
    """`-o table`."""
    return align([(*_HEADS, "NUM UNAVAILABLE NODES", "VERSION"), _values(status)])


def as_json(status: ServerStatusResponse, own: Mapping[str, Any]) -> str:
    """Hubble's message as one line; our own agent's report is its last member, `rubin`."""
    return go_json(message_dict(status) | ({"rubin": own} if own else {})) + "\n"


def report(own: Mapping[str, Any], indent: str = "") -> str:
    """Our agent's report: a line a number, a heading a group; names carry the units. A relay's has a table."""
    if "relay_version" in own:
        return cluster(own) + report({name: own[name] for name in _OF_SERVER if name in own})
    lines = []
    for key, value in own.items():
        name = clean(key).replace("_", " ")
        if isinstance(value, Mapping):
            inner = report(value, indent + "  ")
            lines.append(f"{indent}{_heading(name)}:" + (f"\n{inner}" if inner else " none\n"))
        elif isinstance(value, list):
            lines.append(f"{indent}{_heading(name)}:{_items(value, indent)}\n")
        else:
            lines.append(f"{indent}{_heading(_unit_cut(key))}: {_number(key, value)}\n")
    return "".join(lines)


def _items(values: list[Any], indent: str) -> str:
    if not values:
        return " none"
    return "".join(f"\n{indent}  - {_item(value)}" for value in values)


def _item(value: Any) -> str:
    if not isinstance(value, Mapping):
        return clean(str(value))
    return ", ".join(f"{_unit_cut(key)} {_number(key, each)}" for key, each in value.items())


def _heading(name: str) -> str:
    return name[:1].upper() + name[1:]


def _unit_cut(key: str) -> str:
    for suffix in (*_UNITS, *_SUFFIXES):
        key = key.removesuffix(suffix)
    return clean(key).replace("_", " ")


def _number(key: str, value: Any) -> str:
    """The value with the unit that its name ends in."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return clean(str(value)) if value not in (None, "") else "not known"
    for suffix, (step, units) in _UNITS.items():
        if key.endswith(suffix):
            return scaled(value, step, units)
    number = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
    number = percent(value) if key.endswith("_percent") else number
    return number + next((unit for suffix, unit in _SUFFIXES.items() if key.endswith(suffix)), "")


def _rate(status: ServerStatusResponse, from_uptime: bool = False) -> str:
    if status.flows_rate > 0:
        return f"{status.flows_rate:.2f}"
    if from_uptime and status.uptime_ns:
        return f"{status.seen_flows / status.uptime_ns * SECOND_NS:.2f}"
    return "N/A"


def _values(status: ServerStatusResponse) -> tuple[str, ...]:
    connected = str(status.num_connected_nodes.value) if status.HasField("num_connected_nodes") else "N/A"
    unavailable = str(status.num_unavailable_nodes.value) if status.HasField("num_unavailable_nodes") else "N/A"
    counts = (f"{number:,}" for number in (status.num_flows, status.max_flows, status.seen_flows))
    uptime = duration_text(status.uptime_ns, SECOND_NS)
    return (*counts, _rate(status), uptime, connected, unavailable, clean(status.version))

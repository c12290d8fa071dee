"""A relay's report as text: what adds up over its nodes, then a line a node."""

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

from rubin.cli.output.columns import align
from rubin.words.text import clean
from rubin.words.times import SECOND_NS, duration_text

_NONE = "-"
_HEADS = ("NODE", "STATE", "SINCE", "UP", "COMPLETE", "LOST", "LATE", "CLOCK", "VERSION", "ADDRESS")


def cluster(told: Mapping[str, Any]) -> str:
    """Names as they came, numbers with their units; what is wrong with a node stands below the table."""
    lines = [f"Relay: {clean(told['node'])}, version {clean(told['relay_version'])}"]
    if "completeness_percent" in told:
        lines.append(
            f"Completeness: {percent(told['completeness_percent'])} % of {told['flows']:,} flows seen and lost"
        )
    lost = told.get("lost_records", {})
    lines.append("Lost at the nodes:" + ("" if any(lost.values()) else " none"))
    lines += [f"  {clean(place).replace('_', ' ')}: {count:,}" for place, count in lost.items() if count]
    lines += [line for source in told.get("sources", ()) if source["trouble"] for line in _trouble(source, "source")]
    nodes = told["nodes"]
    if not nodes:
        return "\n".join([*lines, "Nodes: none is known; the relay's --peers says where they are"]) + "\n"
    table = align([_HEADS, *map(_row, nodes)])
    return "\n".join(lines) + "\n\n" + table + "".join(f"\n{line}" for line in _troubles(nodes)) + "\n" * _has(nodes)


def percent(value: float) -> str:
    """Two digits, or four where it takes them; never rounded up, as 99.99996 % is not all."""
    return f"{math.floor(value * 10_000) / 10_000:.4f}".removesuffix("0").removesuffix("0")


def _row(node: Mapping[str, Any]) -> tuple[str, ...]:
    own, missing = node.get("completeness_percent"), node.get("lost_records")
    cells = (
        node["name"],
        node["state"],
        _span(time.time() - node["since_s"]) if node.get("since_s") else "",
        _span(node["uptime_s"]) if "uptime_s" in node else "",
        f"{percent(own)} %" if own is not None else "",
        f"{missing:,}" if missing is not None else "",
        f"{node['late_flows']:,}",
        _clock(node),
        node.get("agent_version") or node.get("version", ""),
        node["address"],
    )
    return tuple(clean(cell) or _NONE for cell in cells)


def _clock(node: Mapping[str, Any]) -> str:
    """`+1.2 ms ± 0.3`: ahead of the relay's."""
    ahead = node.get("clock_ahead_ms")
    return "" if ahead is None else f"{ahead:+,.1f} ms ± {node['clock_error_ms']:,.1f}"


def _span(seconds: float) -> str:
    return duration_text(round(max(0.0, seconds)) * SECOND_NS, SECOND_NS)


def _has(nodes: list[Mapping[str, Any]]) -> bool:
    return any(node["trouble"] for node in nodes)


def _troubles(nodes: list[Mapping[str, Any]]) -> Iterator[str]:
    for node in nodes:
        if node["trouble"]:
            yield from _trouble(node, "name")


def _trouble(of: Mapping[str, Any], what: str) -> Iterator[str]:
    yield f"{clean(of[what])}: {clean(of['trouble'])}"
    if of.get("way_on"):
        yield f"  try: {clean(of['way_on'])}"

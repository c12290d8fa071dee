"""How it goes: the feed, the nodes, the agent's own report."""

import re
from collections.abc import Mapping
from typing import Any

from rubin.api.client import Client
from rubin.errors import RubinError
from rubin.ui.desk import Desk
from rubin.ui.feed import Feed

Answer = dict[str, Any]

_MISSING = re.compile(r"(?P<name>.*?): (?P<without>.*?) \((?P<reason>.*)\)")


async def status(desk: Desk) -> Answer:
    """What can be known now; of a server that does not answer only the feed."""
    told, own = await _asked(desk)
    return {
        "feed": feed_status(desk.feed),
        "nodes": _nodes(told, own),
        "agent": own,
        "features": features(own),
    }


def feed_status(feed: Feed) -> Answer:
    """Of the flows that are held here."""
    state, ring = feed.state, feed.ring
    return {
        "phase": "file" if state.is_file else state.phase,
        "target": state.target,
        "since_ms": state.since_s * 1e3,
        "sentence": state.sentence,
        "way_on": state.way_on,
        "flows": ring.held_flows,
        "seen": feed.flows,
        "lost": feed.lost,
        "oldest_ms": feed.oldest_ns() / 1e6 if ring.held_flows else None,
        "newest_ms": feed.newest_ns / 1e6 if ring.held_flows else None,
        "capacity": ring.capacity,
        "per_second": feed.per_second(),
    }


def features(own: Mapping[str, Any]) -> list[Answer]:
    """What the kernel offers, as far as the agent tells."""
    kernel = own.get("kernel")
    if not isinstance(kernel, Mapping):
        return []
    found = [{"name": "programs", "works": True, "without": "", "reason": str(kernel.get("programs", ""))}]
    for text in kernel.get("missing", []):
        match = _MISSING.fullmatch(str(text))
        parts = match.groupdict() if match else {"name": str(text), "without": "", "reason": ""}
        found.append({"works": False, **parts})
    for name, reason in dict(kernel.get("refused") or {}).items():
        found.append({"name": str(name), "works": False, "without": "", "reason": str(reason)})
    return found


async def _asked(desk: Desk) -> tuple[Answer, Answer]:
    """The server's status by name, and our own agent's; {} each where it does not answer."""
    if desk.feed.state.is_file or desk.feed.state.phase != "following":
        return {}, {}

    async def question(client: Client) -> tuple[Answer, Answer]:
        told = await client.status()
        known = {
            "version": told.version,
            "uptime_s": told.uptime_ns / 1e9,
            "flows_per_second": told.flows_rate,
            "unavailable": list(told.unavailable_nodes),
            "connected": told.num_connected_nodes.value,
        }
        return known, await client.agent_status()

    try:
        return await desk.ask(question)
    except RubinError:
        return {}, {}  # the feed says what is wrong with the server


def _nodes(told: Answer, own: Mapping[str, Any]) -> list[Answer]:
    """The agent; of a relay those that it misses, too."""
    if not told:
        return []
    lost = own.get("lost")
    records = sum(one.get("records", 0) for one in lost.values() if isinstance(one, Mapping)) if lost else 0
    kernel = own.get("kernel") or {}
    found = [
        {
            "name": str(own.get("node", "")),
            "version": told["version"],
            "uptime_s": own.get("uptime_s", told["uptime_s"]),
            "completeness_percent": own.get("completeness_percent"),
            "flows_per_second": round(told["flows_per_second"], 2),
            "lost_events": records,
            "ns_per_packet": kernel.get("ns_per_packet"),
            "memory_bytes": own.get("memory_bytes"),
            "available": True,
        }
    ]
    return found + [{"name": name, "available": False} for name in told["unavailable"]]

"""How the relay and its nodes are: who answers, who does not and why, and how complete the whole picture is."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rubin import __version__
from rubin.api.client import Client
from rubin.relay.pool import Peer, State
from rubin.relay.questions.nodes import Nodes

Answer = dict[str, Any]
_OWN = ("agent_version", "uptime_s", "completeness_percent", "memory_bytes")


async def status(nodes: Nodes, node_name: str, late: Mapping[str, int]) -> Answer:
    """The relay, its `nodes`, and the sums of what adds up: flows, what was lost by its place, late flows.

    Of each node how it stands (`state`; `trouble` and `way_on` where something is wrong), since when, what it says of
    itself, and by how much its clock is ahead of the relay's (`clock_ahead_ms`), at most `clock_error_ms` wrong: half
    of the time that its answer took. `completeness_percent` of the whole is by flows, not by nodes.
    """
    began_ns = dict[str, int]()

    async def ask(name: str, client: Client) -> tuple[Answer, int, int]:
        began_ns[name] = time.time_ns()
        own, time_ns = await client.agent_status_at()
        return own, time_ns, time.time_ns()

    peers = nodes.all()
    told = await nodes.ask(ask, ours_only=False)
    why = dict(told.missing)
    found = []
    for name, peer in peers.items():
        row = _standing(name, peer, why.get(name, ""), late)
        if name in told.answers:
            own, time_ns, ended_ns = told.answers[name]
            row |= _own(own) | _clock(time_ns, began_ns[name], ended_ns)
        found.append(row)
    answers = [own for own, _, _ in told.answers.values()]
    return {"node": node_name, "relay_version": __version__, **_sums(answers), "nodes": found}


def _standing(name: str, peer: Peer, why: str, late: Mapping[str, int]) -> Answer:
    return {
        "name": name,
        "address": peer.found.address,
        "state": str(peer.state),
        "trouble": why or peer.sentence,
        "way_on": peer.way_on,
        "since_s": round(peer.since_s, 3),
        "late_flows": late.get(peer.name, 0),
        "kind": "relay" if peer.is_relay() else "rubin" if peer.is_ours else "hubble" if peer.client else "",
        "version": peer.client.server_version if peer.client and peer.state is State.READY else "",
    }


def _own(told: Answer) -> Answer:
    """What a node says of itself."""
    row = {name: told[name] for name in _OWN if name in told}
    if "lost" in told:
        row["lost_records"] = sum(_losses(told).values())
    return row


def _clock(time_ns: int, began_ns: int, ended_ns: int) -> Answer:
    if not time_ns:
        return {}
    middle_ns = (began_ns + ended_ns) // 2
    return {
        "clock_ahead_ms": round((time_ns - middle_ns) / 1e6, 3),
        "clock_error_ms": round((ended_ns - began_ns) / 2e6, 3),
    }


def _losses(told: Answer) -> Counter[str]:
    lost = told.get("lost")
    places = lost.items() if isinstance(lost, Mapping) else ()
    return Counter({place: int(one.get("records", 0)) for place, one in places if isinstance(one, Mapping)})


def _sums(answers: list[Answer]) -> Answer:
    lost, flows = Counter[str](), 0
    for one in answers:
        lost.update(_losses(one))
        flows += int(one.get("line", {}).get("flows", 0))
    whole = flows + lost.total()
    made: Answer = {"flows": flows, "lost_records": dict(sorted(lost.items()))}
    # never rounded up to all
    return made | ({"completeness_percent": 1_000_000 * flows // whole / 10_000} if whole else {})

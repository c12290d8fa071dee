"""Who is there, by what all nodes know."""

import json
from typing import Any

from rubin.api.client import Client
from rubin.relay.questions.nodes import Nodes
from rubin.wire.pb.rubin_pb2 import EndpointsRequest

Row = dict[str, Any]
_APART = ("where", "since_ns", "nodes")


async def endpoints(nodes: Nodes, request: EndpointsRequest) -> list[Row]:
    """The rows of all nodes, those that are alike as one: `nodes` are those that know it, `since_ns` is the earliest,
    and `where` names the nodes, too, unless all know it. Of somebody who is asked for, nodes that have no name are left
    out where another has one.
    """

    async def ask(_name: str, client: Client) -> list[Row]:
        return await client.endpoints(request.who, request.time_ns)

    told = (await nodes.ask(ask)).answers
    alike: dict[str, Row] = {}
    for name, rows in told.items():
        for row in rows:
            own = {key: value for key, value in row.items() if key not in _APART}
            made = alike.setdefault(json.dumps(own, sort_keys=True), own | {"where": [], "since_ns": 0, "nodes": []})
            made["nodes"] += row.get("nodes", [name])
            made["where"] += row["where"]
            times = [one for one in (made["since_ns"], row["since_ns"]) if one]
            made["since_ns"] = min(times, default=0)
    found = list(alike.values())
    if request.who and any(row["name"] for row in found):
        found = [row for row in found if row["name"]]
    for row in found:
        known_at = [] if len(row["nodes"]) == len(told) else [f"node {name}" for name in row["nodes"]]
        row["where"] = [*known_at, *sorted(set(row["where"]))]
    return sorted(found, key=lambda row: (row["namespace"], row["name"], row["where"]))

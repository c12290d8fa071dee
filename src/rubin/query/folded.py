"""A picture that can be looked at: figures per second, and no more than so many places and edges.

Places of little traffic that are too many are put together, island by island, into one that says how many they are.
Those that drop or fail go last, and what is put together keeps its sums: no drop is ever hidden.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import numpy.typing as npt

from rubin.model.codes import I64
from rubin.query.pairs import Pairs
from rubin.query.picture import BINS, PLACE, SUMS, Picture, percentiles_ns
from rubin.query.places import Kind, Place

F64 = npt.NDArray[np.float64]

MOST_NODES, MOST_EDGES = 500, 2_000
UNKNOWN, FORWARDED, DROPPED, ERROR, AUDIT = range(5)
"""Of an edge the worst that became of its flows."""
_FAILING = 0.05  # of its requests: where fewer fail, the edge is not shown as failing
_NEW_NS = 10_000_000_000
_WORDS = {
    "cluster": ("cluster", "clusters"),
    "namespace": ("namespace", "namespaces"),
    "workload": ("service", "services"),
    "pod": ("pod", "pods"),
    "process": ("process", "processes"),
    "node": ("node", "nodes"),
}
_TROUBLE = ("dropped", "error", "failed", "audit")


@dataclass(frozen=True, slots=True)
class Shown:
    """Places and edges as columns, and how many of either are not shown one by one. Rates are per second.

    `source` and `destination` are rows of the places. `ports`, `protocol`: "" where not known; percentiles, `rtt_ms`:
    NaN. `errors` of edges is the share of requests that failed; of places failed requests per second.
    """

    scope: str
    places: list[Place]
    place_ids: I64
    members: I64
    rate_in: F64
    rate_out: F64
    place_drops: F64
    place_errors: F64
    edge_ids: I64
    source: I64
    destination: I64
    columns: dict[str, F64]
    encrypted: I64  # 0 not known, 1 plain, 2 encrypted, 3 some of both
    verdict: I64
    ports: list[str]
    protocol: I64
    is_new: I64
    folded_places: int
    folded_edges: int

    @property
    def summary(self) -> str:
        """`9 services, 10 connections, 1 dropping`; what is outside counts among them."""
        dropping, failing = int((self.verdict == DROPPED).sum()), int((self.verdict == ERROR).sum())
        places, edges = int(self.members_shown), len(self.edge_ids) + self.folded_edges
        parts = [_counted(places, *_WORDS[self.scope]), _counted(edges, "connection", "connections")]
        parts += [f"{dropping:,} dropping"] if dropping else []
        parts += [f"{failing:,} failing"] if failing else []
        return ", ".join(parts)

    @property
    def members_shown(self) -> int:
        """Places, those that are folded among them."""
        return sum(one.kind != Kind.MORE for one in self.places) + self.folded_places


def shown(
    picture: Picture, now_ns: int, oldest_ns: int = 0, most_nodes: int = MOST_NODES, most_edges: int = MOST_EDGES
) -> Shown:
    """What a picture shows now."""
    window, pairs = picture.window(now_ns, oldest_ns), picture.pairs
    edges = [pairs.edges[at] for at in window.edges.tolist()]
    ends = np.array([(edge.source, edge.destination) for edge in edges], np.int64).reshape(-1, 2)
    places, home, folded_places = _fold(pairs, ends, window.sums, most_nodes)
    moved = home[ends]
    keys = moved[:, 0] * len(places) + moved[:, 1]
    distinct, first, where = np.unique(keys, return_index=True, return_inverse=True)
    sums, latencies = np.zeros((len(distinct), len(SUMS))), np.zeros((len(distinct), BINS))
    np.add.at(sums, where, window.sums)
    np.add.at(latencies, where, window.latencies)
    kept = _most(sums, most_edges)
    source, destination = moved[first[kept], 0], moved[first[kept], 1]
    protocol, is_new = np.zeros(len(distinct), np.int64), np.zeros(len(distinct), np.int64)
    ports: list[dict[str, int]] = [{} for _ in distinct]
    for at, edge in zip(where.tolist(), edges, strict=True):
        ports[at] |= edge.ports
        protocol[at] = edge.protocol or protocol[at]
        is_new[at] |= edge.first_ns > max(now_ns - _NEW_NS, oldest_ns + _NEW_NS)
    ids = _ids(f"{one.kind}|{one.group}|{one.name}" for one in places)
    flows = sums[:, PLACE["flows"]] / window.seconds
    drops, failed = sums[:, PLACE["dropped"]] / window.seconds, sums[:, PLACE["failed"]] / window.seconds
    start, end, size = moved[first, 0], moved[first, 1], len(places)
    return Shown(
        scope=pairs.scope,
        places=places,
        place_ids=ids,
        members=_members(pairs, places),
        rate_in=_by(end, flows, size),
        rate_out=_by(start, flows, size),
        place_drops=_by(start, drops, size) + _by(end, drops, size),
        place_errors=_by(end, failed, size),
        edge_ids=_ids(f"{ids[a]}>{ids[b]}" for a, b in zip(source.tolist(), destination.tolist(), strict=True)),
        source=source,
        destination=destination,
        columns=_figures(sums[kept], latencies[kept], window.seconds),
        encrypted=(sums[kept, PLACE["plain"]] > 0) * 1 + (sums[kept, PLACE["encrypted"]] > 0) * 2,
        verdict=_verdicts(sums[kept]),
        ports=[_ports(ports[at]) for at in kept.tolist()],
        protocol=protocol[kept],
        is_new=is_new[kept],
        folded_places=folded_places,
        folded_edges=len(edges) - len(kept),
    )


def _by(group: I64, weights: F64, size: int) -> F64:
    """(size,) the sum of each group's."""
    return np.bincount(group, weights, size).astype(np.float64)


def _fold(pairs: Pairs, ends: I64, sums: F64, most: int) -> tuple[list[Place], I64, int]:
    """The places to show; of each place of the picture the row of the one that it is shown as; how many are folded."""
    there = np.unique(ends)
    home = np.zeros(len(pairs.places), np.int64)
    home[there] = np.arange(len(there))
    places = [pairs.places[at] for at in there.tolist()]
    if len(there) <= most:
        return places, home, 0
    traffic, trouble = (np.zeros(len(pairs.places)) for _ in range(2))
    for end in (0, 1):
        np.add.at(traffic, ends[:, end], sums[:, PLACE["flows"]])
        np.add.at(trouble, ends[:, end], sums[:, [PLACE[name] for name in _TROUBLE]].sum(axis=1))
    order = there[np.lexsort((-traffic[there], trouble[there] == 0))]
    groups = sorted({pairs.places[at].group for at in there.tolist()})[: most // 2]
    kept, rest = order[: most - len(groups)], order[most - len(groups) :]
    home[kept] = np.arange(len(kept))
    number: dict[str, int] = {}
    count: dict[str, int] = {}
    for at in rest.tolist():
        group = pairs.places[at].group
        group = group if group in groups else groups[-1]  # islands may be too many, too
        home[at] = len(kept) + number.setdefault(group, len(number))
        count[group] = count.get(group, 0) + 1
    more = [Place(f"+{count[group]:,} more", group, Kind.MORE) for group in number]
    return [pairs.places[at] for at in kept.tolist()] + more, home, len(rest)


def _most(sums: F64, most: int) -> I64:
    """The edges to show, in order: those with trouble first, then those of most flows."""
    if len(sums) <= most:
        return np.arange(len(sums))
    trouble = sums[:, [PLACE[name] for name in _TROUBLE]].sum(axis=1)
    return np.sort(np.lexsort((-sums[:, PLACE["flows"]], trouble == 0))[:most])


def _members(pairs: Pairs, places: list[Place]) -> I64:
    found = np.ones(len(places), np.int64)
    numbers = {one: at for at, one in enumerate(places)}
    for one, members in zip(pairs.places, pairs.members, strict=True):
        if one in numbers:
            found[numbers[one]] = max(1, len(members))
    for at, one in enumerate(places):
        if one.kind == Kind.MORE:
            found[at] = int(one.name[1:].partition(" ")[0].replace(",", ""))
    return found


def _figures(sums: F64, latencies: F64, seconds: float) -> dict[str, F64]:
    requests, rtts = sums[:, PLACE["requests"]], sums[:, PLACE["rtts"]]
    rates = {name: sums[:, PLACE[of]] / seconds for name, of in (
        ("flows", "flows"), ("bytes", "bytes"), ("requests", "requests"), ("drops", "dropped"), ("audits", "audit"),
        ("retransmits", "retransmits"),
    )}  # fmt: skip
    return rates | {
        "p50_ms": percentiles_ns(latencies, 0.5) / 1e6,
        "p99_ms": percentiles_ns(latencies, 0.99) / 1e6,
        "errors": np.minimum(1.0, sums[:, PLACE["failed"]] / np.maximum(requests, 1)),
        "rtt_ms": np.where(rtts > 0, sums[:, PLACE["rtt_us"]] / np.maximum(rtts, 1) / 1e3, np.nan),
    }


def _verdicts(sums: F64) -> I64:
    """(n,) the worst of each."""
    failing = sums[:, PLACE["failed"]] > _FAILING * np.maximum(sums[:, PLACE["requests"]], 1)
    worst = np.full(len(sums), UNKNOWN)
    for mask, verdict in (
        (sums[:, PLACE["forwarded"]] > 0, FORWARDED),
        (sums[:, PLACE["audit"]] > 0, AUDIT),
        ((sums[:, PLACE["error"]] > 0) | failing, ERROR),
        (sums[:, PLACE["dropped"]] > 0, DROPPED),
    ):
        worst[mask] = verdict
    return worst


def _ports(ports: dict[str, int]) -> str:
    """`8443/TCP, 53/UDP`, at most three."""
    first = list(ports)[:3]
    return ", ".join(first) + (f" +{len(ports) - len(first)}" if len(ports) > len(first) else "")


def _ids(keys: Iterable[str]) -> I64:
    """(n,) a number from 1 to 2^32 - 1 each, the same whenever the key is, and different where keys are."""
    taken: set[int] = set()
    found = []
    for key in keys:
        number = crc32(key.encode(errors="replace")) or 1
        while number in taken:
            number = number % 0xFFFFFFFF + 1
        taken.add(number)
        found.append(number)
    return np.array(found, np.int64)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"

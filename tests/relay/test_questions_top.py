"""Requests of many nodes, put together: the same numbers as if one node had seen all."""

import json

import numpy as np
import pytest

from rubin.cli.output.top import Printer
from rubin.model.exchanges import expanded
from rubin.model.messages import Message, MessageType
from rubin.model.tables import Endpoint, Process, Service
from rubin.query.gathered import Gathered, links
from rubin.query.latencies import Counts
from rubin.query.question import BY, SORTS, Question
from rubin.query.said import said
from rubin.query.top import top
from rubin.query.top_merged import merged
from rubin.query.top_parts import connections, part
from rubin.store.ring import Ring
from rubin.words.text import Palette
from tests.exchanges import MS, TIME_NS, Said, http, stored

NOW_NS = TIME_NS + 100_000 * MS
NODES = "abc"
EXACT = ("count", "failed", "unanswered", "errors", "errors_percent", "request_bytes", "response_bytes", "max_ns")


def ring(rows):
    made = Ring(again=expanded)
    made.append(stored(*rows))
    return made


def seen(seed, count=600):
    """What each of three nodes saw: the client's end of exchanges at its node, the server's at its, or one of them."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[Said]] = {name: [] for name in NODES}
    for connection in range(60):
        asks, answers = rng.choice(3, 2)
        client, server = f"10.0.{asks}.1:{4000 + connection}", f"10.0.{answers}.2:80"
        whom = Endpoint(1, 100, "", "shop", (), f"web-{answers}", service=Service(f"s{connection % 2}", "shop"))
        ends = [("client", asks), ("server", answers)]
        if rng.random() < 0.4:  # one end was not seen
            del ends[int(rng.integers(2))]
        for at in range(count // 60):
            status = int(rng.choice([200, 200, 200, 404, 500, 0]))
            took = int(rng.lognormal(16, 1.5)) if status else 0
            message = http(f"/p{rng.integers(12)}", status, latency_ns=took, request_bytes=int(rng.integers(99)))
            if connection % 7 == 3:
                message = Message(MessageType.EXCHANGE, "redis", "GET", target="k", latency_ns=took + 1)
            for end, node in ends:
                owner = Process(int(rng.integers(1, 4)), ("curl", "nginx")[end == "server"], 0, cgroup="/x")
                rows[NODES[node]].append(Said(message, client, server, at * MS, end, Endpoint(), whom, owner))
    return rows


def together(rings, question):
    """As the relay does it."""
    found = {name: connections(one, question, NOW_NS, 1 << 20) for name, one in rings.items()}
    inbound = np.unique(np.concatenate([one.inbound for one in found.values()]))
    asked = Question(**{name: getattr(question, name) for name in ("by", "sort", "filters")}, number=0)
    elsewhere = {name: np.intersect1d(one.outbound, inbound) for name, one in found.items()}
    return merged(
        {name: json.loads(json.dumps(part(one, asked, NOW_NS, elsewhere[name]))) for name, one in rings.items()},
        question,
    )


def named(row, by):
    own = row.get("process") or {}
    return tuple(row.get(name) for name in (*BY[by], "role")) + (own.get("command"),) * (by == "process")


@pytest.mark.parametrize("by", BY)
def test_many_nodes_say_what_one_would_say_that_had_seen_all(by):
    rows = seen(1)
    question = Question(by=by, number=0)
    whole = top(ring([one for each in rows.values() for one in each]), question, NOW_NS)
    found = together({name: ring(each) for name, each in rows.items()}, question)
    assert {name: found[name] for name in ("count", "errors")} == {name: whole[name] for name in ("count", "errors")}
    expected = {named(row, by): row for row in whole["rows"]}
    assert {named(row, by) for row in found["rows"]} == expected.keys()
    for row in found["rows"]:
        one = expected[named(row, by)]
        assert {name: row[name] for name in EXACT} == {name: one[name] for name in EXACT}
        for name in ("p50_ns", "p95_ns", "p99_ns"):
            assert row[name] == pytest.approx(one[name], rel=0.0101)
    counts = [row["count"] for row in found["rows"]]
    assert counts == sorted(counts, reverse=True)


def test_a_percentile_of_counts_is_within_one_percent_of_the_exact_one():
    rng = np.random.default_rng(5)
    sizes = (1, 2, 0, 37, 5_000)
    values = [np.sort(rng.integers(1_000, 1 << 40, size) >> rng.integers(0, 20, size)).clip(1_000) for size in sizes]
    of, told = np.repeat(np.arange(len(sizes)), sizes), np.concatenate(values)
    halves = [Counts.of(of[start::2], told[start::2]) for start in (0, 1)]
    counts = Counts.added([Counts.read(json.loads(json.dumps(one.text()))) for one in halves])
    for share in (0.5, 0.95, 0.99, 1.0):
        for each, found in zip(values, counts.percentiles_ns(len(sizes), share).tolist(), strict=True):
            exact = each[int(np.ceil(share * len(each))) - 1] if len(each) else 0
            assert abs(found - exact) <= 0.01 * exact


@pytest.mark.parametrize(("sort", "name"), [*zip(SORTS, ("count", "p95_ns", "errors"), strict=True)])
def test_rows_that_nodes_left_out_are_bounded(sort, name):
    """Two nodes that may tell two rows each. What the third would have added is no more than is said."""

    def requests(node, counts):
        for path, count in counts.items():
            for at in range(count):
                message = http(path, 500, latency_ns=count * MS)
                yield Said(
                    message,
                    f"10.0.{node}.1:{at}",
                    f"10.0.{node}.2:80",
                    at * MS,
                    whom=Endpoint(namespace="shop", pod_name="web"),
                )

    rings = {"a": ring(requests(0, {"/x": 9, "/y": 5, "/z": 4})), "b": ring(requests(1, {"/z": 8, "/x": 7, "/y": 3}))}
    asked = Question(sort=sort, number=2)
    parts = {each: part(one, asked, NOW_NS, np.zeros(0, np.uint64)) for each, one in rings.items()}
    found = merged(parts, Question(sort=sort, number=1))
    (best,) = found["rows"]
    left = found["left_out"]
    assert (best["target"], left["rows"]) == ("/x", 2)
    most = max(4 * MS, 3 * MS) if sort == "slowest" else 4 + 3
    assert (left["most"], left["is_sure"]) == (most, True)
    second = merged(parts, Question(sort=sort, number=3))
    assert second["left_out"]["is_sure"] == (second["rows"][-1][name] >= most)
    whole = merged(
        {each: part(one, Question(sort=sort), NOW_NS, np.zeros(0, np.uint64)) for each, one in rings.items()},
        Question(sort=sort),
    )
    assert whole["left_out"] == {}


def test_connections_within_a_node_are_those_of_no_other_node():
    """127.0.0.1 asks itself at two nodes, by the same ports: of one only the client's end was seen."""
    one = Said(http("/"), "127.0.0.1:4000", "127.0.0.1:80", end="client")
    other = Said(http("/"), "127.0.0.1:4000", "127.0.0.1:80", end="server")
    rings = {"a": ring([one]), "b": ring([other])}
    assert not any(len(keys) for each in rings.values() for keys in connections(each, Question(), NOW_NS, 9)[:2])
    assert together(rings, Question())["count"] == 2


def test_where_connections_are_too_many_nodes_leave_out_the_same_ones():
    rows = [Said(http("/"), f"10.0.0.1:{port}") for port in range(1, 101)]
    kept = connections(ring(rows), Question(), NOW_NS, 10)
    others = connections(ring([Said(one.message, one.client, end="client") for one in rows]), Question(), NOW_NS, 10)
    assert (len(kept.inbound), kept.left_out, others.left_out) == (10, 90, 90)
    assert kept.inbound.tolist() == others.outbound.tolist()
    gathered = Gathered("protocol")
    for batch in said(ring(rows)):
        gathered.add(batch)
    assert kept.inbound.tolist() == sorted(links(gathered.rows()).tolist())[:10]


LEFT_OUT = [
    ("busiest", 7, True, "  2 rows left out at nodes: a row may miss 7 requests"),
    ("failing", 1, False, "  2 rows left out at nodes: rows may be missing, and a row may miss 1 error"),
    (
        "slowest",
        4 * MS,
        True,
        "  2 rows left out at nodes: a row may miss requests of nodes where its P95 is below 4 ms",
    ),
]


@pytest.mark.parametrize(("sort", "most", "is_sure", "line"), LEFT_OUT)
def test_what_the_table_does_not_tell_stands_above_it(sort, most, is_sure, line):
    second = 1_000_000_000
    found = {
        "from_ns": 0, "until_ns": 300 * second, "count": 0, "errors": 0, "lost_events": 0, "rows": [],
        "missing": [{"name": "x\x1b", "why": "it is away"}], "unmatched": 1,
        "nodes": [{"name": "a", "from_ns": 20 * second}, {"name": "b", "from_ns": 240 * second}],
        "left_out": {"rows": 2, "most": most, "is_sure": is_sure, "sort": sort},
    }  # fmt: skip
    text = Printer("endpoint", "table", Palette(False)).text(found).splitlines()
    assert text[:2] == ["no requests in 5m0s", "  without x^[: it is away"]
    assert text[2:5] == [
        "  b has only the last 1m0s",
        line,
        "  1 connection not compared between nodes: some requests may count twice",
    ]

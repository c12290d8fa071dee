"""Drops, put together."""

import time

import numpy as np
import pytest

from rubin.api.selection import compiled
from rubin.model.enums import Verdict
from rubin.query import dropped
from rubin.query.drops import MOST_GROUPS, SPARK, drops
from rubin.query.picture import chosen
from rubin.store.ring import Ring
from rubin.words.terms import asked_by_query, filters
from tests.flows import flows, generate

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
END = START + 60 * SECOND
DROPS = """
    src            dst            from      to       verdict drop_reason kernel_drop_reason traffic_direction time_ns
    10.0.0.1:40001 10.0.0.2:8443  shop/cart shop/pay DROPPED 133         NETFILTER_DROP     EGRESS            1700000000000000000
    10.0.0.1:40002 10.0.0.2:8443  shop/cart shop/pay DROPPED 133         NETFILTER_DROP     EGRESS            1700000030000000000
    10.0.0.3:40003 10.0.0.2:8443  shop/web  shop/pay DROPPED 133         -                  INGRESS           1700000059000000000
    10.0.0.1:40001 10.0.0.2:80    shop/cart shop/pay DROPPED 0           NO_SOCKET          INGRESS           1700000001000000000
    10.0.0.1:40001 10.0.0.2:80    shop/cart shop/pay FORWARDED 0         -                  EGRESS            1700000002000000000
"""  # fmt: skip # noqa: E501


def ring_of(*batches):
    ring = Ring()
    for batch in batches:
        ring.append(batch)
    return ring


def count_of(ring, query):
    wanted = compiled(*filters(asked_by_query(query).terms))
    return sum(len(chosen(view, wanted, None, None)) for view in ring.scan())


def test_alike_drops_are_one_group_with_what_they_have_in_common() -> None:
    found = drops(ring_of(flows(DROPS)), None, START, END)
    assert found["total"] == 4
    first, *others = found["groups"]
    assert (first["source"], first["destination"], first["port"]) == ("shop/cart", "shop/pay", 8443)
    assert (first["count"], first["per_minute"], first["protocol"], first["direction"]) == (2, 2.0, "TCP", "egress")
    assert (first["reason"], first["kernel_reason"]) == ("POLICY_DENIED", "NETFILTER_DROP")
    assert "packet filter" in first["words"]
    assert (first["first_ms"], first["last_ms"]) == (START / 1e6, (START + 30 * SECOND) / 1e6)
    assert len(first["spark"]) == SPARK
    assert [at for at, count in enumerate(first["spark"]) if count] == [0, 15]
    assert [one["kernel_reason"] for one in others] == ["", "NO_SOCKET"]


def test_the_query_of_a_group_asks_for_exactly_its_drops() -> None:
    ring = ring_of(flows(DROPS))
    for group in drops(ring, None, START, END)["groups"]:
        assert count_of(ring, group["query"]) == group["count"]


def test_of_many_drops_each_is_in_one_group() -> None:
    batch = generate(100_000)
    ring = ring_of(batch)
    found = drops(ring, None, 0, 2 * START)
    assert found["total"] == int((batch["verdict"] == Verdict.DROPPED).sum())
    assert sum(one["count"] for one in found["groups"]) + found["more"] <= found["total"]
    for group in found["groups"][:20]:
        assert count_of(ring, group["query"]) >= group["count"]


def test_filters_and_times_choose() -> None:
    ring = ring_of(flows(DROPS))
    wanted = compiled(*filters(asked_by_query("kernel-drop-reason=NO_SOCKET").terms))
    assert drops(ring, wanted, START, END)["total"] == 1
    assert drops(ring, None, START + 40 * SECOND, END)["total"] == 1
    assert drops(Ring(), None, START, END)["groups"] == []


def test_answers_that_are_dropped_are_told_by_the_port_that_was_asked() -> None:
    ring = ring_of(
        flows("""
        src          dst            from     to        verdict drop_reason
        10.0.0.2:53  10.0.0.1:40001 shop/dns shop/cart DROPPED 133
        10.0.0.2:53  10.0.0.1:40002 shop/dns shop/cart DROPPED 133
    """)
    )
    (group,) = drops(ring, None, START, END)["groups"]
    assert (group["port"], group["count"]) == (53, 2)
    assert count_of(ring, group["query"]) == 2


def test_a_name_that_no_filter_takes_makes_no_bad_query() -> None:
    batch = flows(DROPS)
    evil = batch.tables.strings.code("x" * 500 + "<script>")
    batch = batch.with_columns(kernel_drop_reason=np.full(len(batch), evil))
    for group in drops(ring_of(batch), None, START, END)["groups"]:
        filters(asked_by_query(group["query"]).terms)


FLOOD = """
    src            dst           from      to        verdict drop_reason
    10.0.0.1:40001 10.0.0.2:8443 shop/cart shop/pay  DROPPED 133
    10.0.0.1:40002 10.0.0.2:8443 shop/cart shop/pay  DROPPED 133
    10.0.0.3:40003 10.0.0.4:8443 shop/web  shop/db   DROPPED 133
    10.0.0.3:40004 10.0.0.4:8443 shop/web  shop/db   DROPPED 133
    8.1.0.1:40001  10.0.0.2:8443 -         shop/pay  DROPPED 133
    8.2.0.1:40001  10.0.0.2:8443 -         shop/pay  DROPPED 133
    8.3.0.1:40001  10.0.0.2:8443 -         shop/pay  DROPPED 133
    8.3.0.2:40001  10.0.0.2:80   -         shop/pay  DROPPED 133
"""
PARTED = [  # pairs told apart, port and pairs of the groups of the others
    (9, []),
    (2, [(80, 1), (8443, 3)]),
    (1, [(0, 5)]),  # two ports are more than one
]


@pytest.mark.parametrize(("most", "others"), PARTED)
def test_of_very_many_pairs_those_of_few_drops_are_put_together_and_say_so(
    most: int, others: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dropped, "MOST_PAIRS", most)
    ring = ring_of(flows(FLOOD), flows(FLOOD))  # tables of their own, segments of their own
    found = drops(ring, None, START, END)
    told = [group for group in found["groups"] if not group["pairs"]]
    folded = [group for group in found["groups"] if group["pairs"]]
    assert found["total"] == sum(group["count"] for group in found["groups"]) == 16
    assert sorted((group["port"], group["pairs"]) for group in folded) == others
    assert found["folded_pairs"] == sum(pairs for _, pairs in others)
    for group in told:
        assert count_of(ring, group["query"]) == group["count"]
    for group in folded:
        assert (group["source"], group["destination"]) == (f"{group['pairs']} more pairs", "many")
        assert count_of(ring, group["query"]) >= group["count"]
    if most < 9:
        assert {group["source"] for group in told} <= {"shop/cart", "shop/web"}, "those with the most drops"


def test_nameless_neighbours_are_one_pair_before_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropped, "MOST_PAIRS", 2)
    one = flows(FLOOD).take(np.array([4]))
    many = one.take(np.zeros(200, np.intp))
    many = many.with_columns(source_low=many["source_low"] + np.arange(200, dtype=np.uint64))
    (group,) = drops(ring_of(many.without_lost()), None, START, END)["groups"]
    assert (group["source"], group["count"], group["pairs"]) == ("8.1.0.0/16", 200, 0)


def test_a_flood_from_everywhere_to_every_port_is_told_soon() -> None:
    """A million takes some 1 s of a calm machine; here it is a fifth of that, and ten times as long is too much."""
    rng, count = np.random.default_rng(1), 200_000
    batch = flows(FLOOD).take(np.full(count, 4)).without_lost()
    everywhere = {
        f"{side}_low": rng.integers(0xFFFF_0100_0000, 0xFFFF_FFFF_FFFF, count, np.uint64)
        for side in ("source", "destination")
    }
    ports = rng.integers(1, 30_000, count).astype(np.uint16)
    ring = ring_of(batch.with_columns(destination_port=ports, destination_endpoint=ports * 0, **everywhere))
    start = time.process_time()
    found = drops(ring, None, START, END)
    assert time.process_time() - start < 5
    assert (found["total"], len(found["groups"])) == (count, MOST_GROUPS)
    assert found["groups"][0]["pairs"] == found["folded_pairs"] > count - 2 * dropped.MOST_PAIRS

"""Drops, put together."""

import numpy as np

from rubin.api.selection import compiled
from rubin.model.enums import Verdict
from rubin.query.drops import SPARK, drops
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

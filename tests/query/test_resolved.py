"""Names of the DNS: who asked, how it was answered, who connected."""

from typing import Any

from rubin.api.selection import compiled
from rubin.model.exchanges import expanded
from rubin.model.messages import DNS, Message, MessageType
from rubin.model.tables import Endpoint, Workload
from rubin.query.resolved import resolved
from rubin.store.ring import Ring
from rubin.words.terms import asked_by_query, filters
from tests.exchanges import MS, TIME_NS, Said, stored
from tests.flows import flows

WEB = Endpoint(1, 1, "", "shop", (), "web-1", (Workload("web", "Deployment"),))
END = TIME_NS + 10_000 * MS
FROM_WEB: dict[str, Any] = {"who": WEB, "server": "10.0.0.53:53", "client": "10.0.0.1:4000"}


def answer(name: str, *ips: str, rcode: int = 0, latency_ms: int = 2) -> Message:
    dns = DNS(name, ips, 30, rcode=rcode, qtypes=("A",))
    return Message(
        MessageType.EXCHANGE,
        "dns",
        "A",
        target=name,
        latency_ns=latency_ms * MS,
        dns=dns,
        failed=rcode > 0,
        status=rcode,
    )


def asked(*rows: Said) -> Ring:
    ring = Ring(again=expanded)
    ring.append(stored(*rows))
    return ring


def by_name(ring: Ring, **more: Any) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in resolved(ring, more.get("filters"), TIME_NS, END)["rows"]}


def test_a_name_once_with_how_often_and_how() -> None:
    ring = asked(
        Said(answer("db.shop.", "10.0.0.3"), **FROM_WEB),
        Said(answer("DB.shop.", "10.0.0.3", latency_ms=8), asked_ns=MS, **FROM_WEB),
        Said(answer("gone.shop.", rcode=3), asked_ns=2 * MS, **FROM_WEB),
        Said(answer("sick.shop.", rcode=2), asked_ns=3 * MS, **FROM_WEB),
        Said(answer("no.shop.", rcode=5), asked_ns=4 * MS, **FROM_WEB),
        Said(Message(MessageType.REQUEST, "dns", "A", target="slow.shop."), asked_ns=5 * MS, **FROM_WEB),
    )
    rows = by_name(ring)
    assert next(iter(rows)) == "db.shop"
    db = rows["db.shop"]
    assert (db["count"], db["per_second"], db["p50_ns"], db["p99_ns"]) == (2, 0.2, 2 * MS, 8 * MS)
    assert (db["clients"], db["client_count"], db["addresses"]) == (["shop/web"], 1, ["10.0.0.3"])
    ends = {"gone": "nxdomain", "sick": "servfail", "no": "other_errors", "slow": "no_answer"}
    assert [rows[f"{name}.shop"][how] for name, how in ends.items()] == [1, 1, 1, 1]
    assert sum(row["count"] for row in rows.values()) == 6


def test_seen_at_both_ends_it_counts_once() -> None:
    rows = (Said(answer("db.shop.", "10.0.0.3"), end=end, **FROM_WEB) for end in ("client", "server"))
    assert by_name(asked(*rows))["db.shop"]["count"] == 1


def test_a_question_and_its_answer_apart_are_one() -> None:
    """As Hubble's servers tell them."""
    dns = DNS("db.shop.", ("10.0.0.3",), 30)
    ring = asked(
        Said(Message(MessageType.REQUEST, "dns", target="db.shop.", dns=DNS("db.shop.")), **FROM_WEB),
        Said(Message(MessageType.RESPONSE, "dns", target="db.shop.", dns=dns, latency_ns=MS), **FROM_WEB),
    )
    assert (by_name(ring)["db.shop"]["count"], by_name(ring)["db.shop"]["no_answer"]) == (1, 0)


def test_who_connected_to_what_a_name_led_to() -> None:
    ring = asked(Said(answer("db.shop.", "10.0.0.3"), **FROM_WEB))
    ring.append(
        flows("""
        src            dst            from     to is_reply time_ns
        10.0.0.1:40000 10.0.0.3:5432  shop/web -  0        1700000001000000000
        10.0.0.3:5432  10.0.0.1:40000 -  shop/web 1        1700000001000000000
        10.0.0.9:40000 10.0.0.4:5432  shop/adm -  0        1700000001000000000
    """)
    )
    assert by_name(ring)["db.shop"]["connected"] == ["shop/web"]


def test_the_query_asks_for_the_name_and_filters_choose() -> None:
    ring = asked(
        Said(answer("a.shop."), **FROM_WEB), Said(answer("a-shop.x."), asked_ns=MS, **FROM_WEB)
    )  # fmt: skip
    query = by_name(ring)["a.shop"]["query"]
    wanted = compiled(*filters(asked_by_query(query).terms))
    assert list(by_name(ring, filters=wanted)) == ["a.shop"]


def test_nothing_was_asked() -> None:
    assert resolved(Ring(), None, TIME_NS, END) == {"rows": [], "count": 0}

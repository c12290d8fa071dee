"""What is an error is the same in the services, in the names and on the map, whoever tells of it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rubin.model.batch import FlowBatch
from rubin.model.enums import Protocol
from rubin.model.exchanges import expanded
from rubin.model.messages import DNS, Message, MessageType
from rubin.model.tables import Endpoint, Tables, Workload
from rubin.query import failing
from rubin.query.failing import PATIENCE_NS, is_failed
from rubin.query.picture import PLACE, Picture
from rubin.query.question import BY, Question
from rubin.query.resolved import resolved
from rubin.query.top import top
from rubin.store.ring import Ring
from tests.exchanges import MS, TIME_NS, Said, http, stored

NOW_NS = TIME_NS + 10_000 * MS
WHO = Endpoint(1, 1, "", "shop", (), "cart-1", (Workload("cart", "Deployment"),))
WHOM = Endpoint(2, 2, "", "shop", (), "pay-1", (Workload("pay", "Deployment"),))
JUST_NOW = NOW_NS - TIME_NS - PATIENCE_NS // 2
WAITS, LATE = http("/slow", 0), http("/slow", type=MessageType.RESPONSE, latency_ns=3_000 * MS)
ASKED = Message(MessageType.REQUEST, "dns", "A", target="db.shop.", dns=DNS("db.shop.", qtypes=("A",)))
NO_NAME = replace(ASKED, type=MessageType.RESPONSE, dns=DNS("db.shop.", rcode=3, qtypes=("A",)))  # as Hubble has it


def said(message: Message, asked_ns: int = 0, **more: Any) -> Said:
    udp: dict[str, Any] = {"protocol": Protocol.UDP, "server": "10.0.0.53:53"} if message.protocol == "dns" else {}
    return Said(message, asked_ns=asked_ns, who=WHO, whom=WHOM, **udp | more)


CASES = [
    ("good ones", [said(http()), said(http("/x"))], 2, 0),
    ("an answer that says so", [said(http("/pay", 503)), said(http())], 2, 1),
    ("Hubble's answer, which does not", [said(http("/no", 404, failed=False))], 1, 1),
    ("one that the agent has waited for", [said(WAITS, JUST_NOW, cookie=7), said(http())], 2, 1),
    ("Hubble's, long ago", [said(WAITS)], 1, 1),
    ("Hubble's, just now", [said(WAITS, JUST_NOW), said(http())], 1, 0),
    ("answered after all", [said(WAITS, cookie=7), said(LATE, cookie=7)], 1, 0),
    ("Hubble's with its answer", [said(WAITS), said(replace(LATE, latency_ns=MS))], 1, 0),
    ("one of two answered after all", [said(WAITS), said(WAITS, MS), said(LATE)], 2, 1),
    ("an answer on another connection", [said(WAITS), said(LATE, client="10.0.0.1:4001")], 2, 1),
    ("an answer that failed, late", [said(WAITS), said(replace(LATE, status=500, failed=True))], 1, 1),
    ("a name that nobody answers", [said(ASKED, cookie=7)], 1, 1),
    ("a name that is none", [said(ASKED), said(NO_NAME)], 1, 1),
    ("a name asked for just now", [said(ASKED, JUST_NOW)], 0, 0),
]  # fmt: skip


def ring(batch: FlowBatch) -> Ring:
    made = Ring(again=expanded)
    made.append(batch)
    return made


def on_map(*batches: FlowBatch, now_ns: int = NOW_NS) -> int:
    """Failed requests of all edges."""
    picture = Picture("workload")
    for batch in batches:
        picture.take(expanded(batch))
    return int(picture.window(now_ns).sums[:, PLACE["failed"]].sum())


@pytest.mark.parametrize(("what", "rows", "count", "errors"), CASES, ids=[case[0] for case in CASES])
def test_it_is_the_same_everywhere(what: str, rows: list[Said], count: int, errors: int) -> None:
    batch, tables = stored(*rows), Tables()
    for by in BY:
        found = top(ring(batch), Question(by), NOW_NS)
        assert (found["count"], found["errors"], sum(row["errors"] for row in found["rows"])) == (count, errors, errors)
    one_by_one = (stored(row, tables=tables, first=at) for at, row in enumerate(rows))
    assert on_map(batch) == on_map(*one_by_one) == errors
    if rows[0].message.protocol == "dns":
        names = resolved(ring(batch), None, TIME_NS, NOW_NS)
        wrong = sum(row["nxdomain"] + row["no_answer"] for row in names["rows"])
        assert (names["count"], wrong) == (count, errors)


def test_what_waits_becomes_an_error_goes_with_its_slot_and_moves_with_its_edge() -> None:
    picture = Picture("workload", 10_000 * MS)
    other = replace(WHOM, pod_name="db-1", workloads=(Workload("db", "Deployment"),))
    pay, db = said(WAITS, 5_000 * MS), said(WAITS, server="10.0.0.9:80")
    picture.take(stored(pay, *(replace(db, whom=other, asked_ns=at * MS) for at in (0, 6_000))))

    def failed(after_ms: int) -> list[float]:
        return list(picture.window(TIME_NS + after_ms * MS).sums[:, PLACE["failed"]])

    assert [failed(at) for at in (1_000, 3_000, 8_000)] == [[0, 0], [0, 1], [1, 2]]
    assert failed(12_000) == [1, 1], "the oldest has left the window"
    picture._compact()
    assert failed(15_500) == [1], "and then an edge"
    picture._compact()
    assert failed(15_500) == [1]
    picture.take(stored(replace(db, message=LATE, whom=other, asked_ns=9_000 * MS)))
    assert failed(15_500) == [0]


def test_of_very_many_that_wait_the_latest_are_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failing, "_MOST_WAITING", 2)
    waits = [said(WAITS, at, client=f"10.0.0.1:{5000 + at}") for at in range(4)]
    late = [said(LATE, at, client=f"10.0.0.1:{5000 + at}") for at in range(4)]
    assert on_map(stored(*waits), stored(*late)) == 2


@pytest.mark.parametrize("row", [case[1][-1] for case in CASES], ids=[case[0] for case in CASES])
def test_one_message_is_judged_as_many_are(row: Said) -> None:
    batch = stored(row)
    messages = batch.tables.messages
    assert failing.fails(messages.rows(batch["message"]), messages).tolist() == [is_failed(row.message)]


def test_a_ring_that_holds_both_rows_of_an_exchange_counts_it_once() -> None:
    batch = stored(*(said(http(f"/{at}", 503 if at % 5 == 0 else 200), at * MS) for at in range(1_000)), said(WAITS))
    both = Ring()
    both.append(expanded(batch))
    assert both.held_flows == 2_001
    for by in BY:
        assert top(both, Question(by), NOW_NS) == top(ring(batch), Question(by), NOW_NS)
    question = Question(since_ns=TIME_NS + 100 * MS, until_ns=TIME_NS + 300 * MS)
    assert top(both, question, NOW_NS) == top(ring(batch), question, NOW_NS)


def test_errors_of_names_are_told_in_words() -> None:
    codes = [1, 2, 3, 5, 12]
    failed = replace(NO_NAME, type=MessageType.EXCHANGE, failed=True)
    own = [said(replace(failed, target=f"{code}.", status=code, dns=DNS(f"{code}."))) for code in codes]
    hubble = [said(replace(NO_NAME, target=f"{code}.", dns=DNS(f"{code}.", rcode=code))) for code in codes]
    for rows in (own, hubble):
        found = top(ring(stored(*rows)), Question(), NOW_NS)["rows"]
        words = {row["target"]: row["error"] for row in found}
        assert words == {"1.": "FORMERR", "2.": "SERVFAIL", "3.": "NXDOMAIN", "5.": "REFUSED", "12.": "RCODE 12"}


def test_many_that_wait_cost_little() -> None:
    """A flood that nobody answers, in a window of a minute: each turn is a few ms."""
    import time

    one = stored(*(said(WAITS, client=f"10.0.0.1:{at}") for at in range(1_000)))
    batch = one.take(np.arange(20_000) % len(one))
    picture = Picture("workload")
    start = time.process_time()
    for at in range(20):
        picture.take(batch.with_columns(time_ns=batch["time_ns"] + at * 1_000 * MS))
        picture.window(TIME_NS + at * 1_000 * MS)
    assert time.process_time() - start < 4

"""What is said of requests, and of the names that led to addresses."""

import numpy as np
import pytest

from rubin.model.enums import Protocol
from rubin.model.messages import DNS, Message, MessageType
from rubin.model.tables import Contents, Endpoint, Tables, Translation
from rubin.query.explain import explain
from tests.exchanges import MS, Said, http, stored
from tests.query.explained import filtered, opened, packets, ring, sections, uuid

C, S = "10.0.0.1:4000", "10.0.0.2:80"


def test_the_name_that_led_to_the_address():
    said = sections(explain(filtered(), source="curl", destination="shop/web:80"))["DNS before it"]
    assert said.splitlines() == [
        "web.shop. (A) was asked for by curl/9 me on host/curl, 1m9s before, at Nov 14 22:13:20.500.",
        "The answer in 0.2 ms: 10.0.0.2, by way of www.shop., to be kept for 30 s.",
    ]


def answer(client="10.0.0.1:5001", at=0, ips=("10.0.0.2",), **more):
    dns = DNS("web.shop.", ips, 30, qtypes=("A",))
    message = Message(MessageType.EXCHANGE, "dns", "A", target="web.shop.", latency_ns=MS, dns=dns)
    return Said(message, client, "10.0.0.53:53", at * MS, protocol=Protocol.UDP, **more)


RESOLVED = [
    ([answer()], "web.shop. (A) was asked for by 10.0.0.1, 99 ms before"),
    ([answer(at=50), answer(at=60, ips=("10.0.0.3",))], "49 ms before"),
    ([answer("10.0.0.9:1")], "The client itself was not seen to ask"),
    ([answer(), answer("10.0.0.9:1", at=50)], "asked for by 10.0.0.1, 99 ms before"),
    ([answer(at=200)], "No answer with 10.0.0.2 is held"),  # after it
    ([answer(ips=("10.0.0.20",))], "No answer with 10.0.0.2 is held"),
    ([], "No answer with 10.0.0.2 is held: the ring reaches back to Nov 14 22:13:20.100."),
]


@pytest.mark.parametrize(("said", "says"), RESOLVED)
def test_only_an_answer_before_it_with_the_address_led_there(said, says):
    rows = packets(f"100 {C} {S} SYN out")
    of_all = ring(*([stored(*said, first=50)] if said else []), rows)
    assert says in sections(explain(of_all, flow=uuid(0)))["DNS before it"]


def test_a_name_whose_answer_is_gone_is_still_told():
    batch = packets(f"0 {C} {S} SYN out", endpoints={"10.0.0.2": Endpoint(names=("web.shop",))})
    said = sections(explain(ring(batch), flow=uuid(0)))
    assert "10.0.0.2 is known as web.shop; the answer that said so is no longer held" in said["DNS before it"]
    assert "web.shop:80 (10.0.0.2)" in said["Verdict"]


def test_where_nat_had_somebody_else_answer_the_name_of_whom_was_asked_for_counts():
    tables = Tables()
    nat = tables.contents.code(Contents(translation=Translation("10.96.0.10", 8080)))
    batch = packets(f"100 {C} {S} SYN out")
    batch = type(batch)({name: batch[name] for name in batch.names()}, tables)
    batch = batch.with_columns(contents=np.array([nat]), node_name=np.zeros(1), source_endpoint=np.zeros(1))
    found = sections(explain(ring(stored(answer(ips=("10.96.0.10",)), first=9), batch), flow=uuid(0)))
    assert "web.shop. (A) was asked for" in found["DNS before it"]
    assert "Asked for: 10.96.0.10:8080; NAT had 10.0.0.2:80 answer." in found["Whose socket"]


TO = "10.0.0.2:80 answered 10.0.0.1:4000 with"
REQUESTS = [
    (http("/pay", 503, error="out of stock"), "failed", f"{TO} 503 out of stock after 4 ms"),
    (http("/pay", 0), "failed", "10.0.0.2:80 has not answered what 10.0.0.1:4000 asked at Nov 14 22:13:20.000: http"),
    (http("/pay"), "forwarded", "FORWARDED: http GET http://shop/pay from 10.0.0.1:4000 to 10.0.0.2:80"),
    (Message(MessageType.RESPONSE, "http", status=404), "failed", "10.0.0.2:80 answered 10.0.0.1:4000 with 404"),
    (Message(MessageType.EXCHANGE, "dns", "A", target="x.", dns=DNS("x.", rcode=3)), "failed",
     f"{TO} NXDOMAIN, at Nov 14 22:13:20.000: dns A x."),
]  # fmt: skip


@pytest.mark.parametrize(("message", "kind", "verdict"), REQUESTS)
def test_requests(message, kind, verdict):
    found = explain(ring(stored(Said(message))), flow="000000000000")
    assert (found["kind"], sections(found)["Verdict"].splitlines()[0][: len(verdict)]) == (kind, verdict)
    assert ("rubin trace 2d1c1d2e" in found["text"]) == (kind == "failed")


def test_either_flow_of_an_exchange_is_the_same_request():
    of_both = ring(stored(Said(http("/a", 500))))
    one = explain(of_both, flow="2d1c1d2e-90a8-4a6b-a000-000000000000")
    assert one == explain(of_both, flow="2d1c1d2e-90a8-4a6b-8000-000000000000")
    assert one["kind"] == "failed"


def test_what_hubble_tells_as_two_flows_is_answered_where_the_second_is_held():
    asked = Said(http("/a", 0, type=MessageType.REQUEST))
    answered = Said(Message(MessageType.RESPONSE, "http", status=200), asked_ns=MS)
    found = explain(ring(stored(asked, answered)), flow="000000000000")
    assert found["kind"] == "forwarded"


def test_errors_on_a_connection_that_works_are_counted():
    said = stored(Said(http("/a", 500)), Said(http("/b", 404), asked_ns=MS), Said(http("/c"), asked_ns=2 * MS))
    found = explain(ring(said, packets(*opened(0, 4000))), flow=uuid(0))
    assert found["kind"] == "forwarded"
    assert "; its connection works, and 2 answers on it told of an error." in sections(found)["Verdict"]
    assert "rubin explain 2d1c1d2e-90a8-4a6b-8000-000000000001 says more" in sections(found)["What to try"]


def test_whom_else_an_error_hits():
    bad, good = http("/pay", 503, error="full"), http("/pay")
    said = [
        *(Said(bad, "10.0.0.9:1", asked_ns=at * MS) for at in (20, 30)),
        Said(good, "10.0.0.8:1"),
        Said(http("/pay", 503), asked_ns=40 * MS),
        Said(bad, asked_ns=50 * MS),
        Said(bad, asked_ns=50 * MS, end="client"),
    ]
    found = sections(explain(ring(stored(*said)), flow="000000000004"))
    assert found["Affected"].splitlines() == [
        "3 such answers at 10.0.0.2:80: 2 clients, 2 connections.",
        "Good answers of it that are held beside these: 1.",
    ]
    assert "First seen at Nov 14 22:13:20.024, 3 such answers until Nov 14 22:13:20.054." in found["Since when"]
    assert "Before that it worked for others: 10.0.0.2:80 answered, last at Nov 14 22:13:20.004" in found["Since when"]
    alone = sections(explain(ring(stored(Said(bad))), flow="000000000000"))
    assert "No good answer of 10.0.0.2:80 is held" in alone["Since when"]

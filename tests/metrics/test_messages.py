"""What is counted of messages beyond what Hubble has: all protocols in one family, bounds on words and durations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.metrics.durations import OF_CONNECTIONS, OF_HUBBLE, OF_REQUESTS
from rubin.metrics.sink import Metrics, Settings
from rubin.model.messages import DNS, Message
from rubin.model.tables import Tables
from tests.metrics.messages import PODS, TIME_NS, TRACE, http, serving, told
from tests.metrics.pages import everything, labelled, samples
from tests.metrics.test_against_hubble import any_flows
from tests.metrics.test_configuration import ARTICLE
from tests.metrics.test_exemplars import exemplars

REQUESTS = [
    # message, method, status, error
    (http(), "GET", "200", ""),
    (http(404), "GET", "404", "404"),
    (http(0, 1), "GET", "none", ""),
    (Message(4, "http", "GET", failed=True, error="CANCEL"), "GET", "CANCEL", "CANCEL"),
    (Message(2, "grpc", "POST", status=200), "POST", "OK", ""),
    (Message(4, "grpc", "POST", status=200, failed=True, error="NOT_FOUND"), "POST", "NOT_FOUND", "NOT_FOUND"),
    (Message(4, "grpc", "POST", status=502, failed=True), "POST", "502", "502"),
    (Message(4, "dns", "A", status=3, failed=True, dns=DNS("x.", rcode=3)), "A", *["Non-Existent Domain"] * 2),
    (Message(2, "dns", dns=DNS("x.", qtypes=("A", "AAAA"))), "A,AAAA", "No Error", ""),
    (Message(4, "dns", "A", status=300), "A", "300", ""),
    (Message(4, "postgresql", "SELECT"), "SELECT", "ok", ""),
    (Message(4, "postgresql", "INSERT", failed=True, error="23505 unique_violation"), "INSERT", "23505", "23505"),
    (Message(4, "mysql", "SELECT", failed=True, status=1054, error="1054 42S22 BAD_FIELD"), "SELECT", "1054", "1054"),
    (Message(4, "redis", "GET", failed=True, error="WRONGTYPE"), "GET", "WRONGTYPE", "WRONGTYPE"),
    (Message(4, "redis", "GET", failed=True), "GET", "error", "error"),
    (Message(4, "http", "M" * 33, status=200), "other", "200", ""),
    (Message(1, "redis", "BLPOP"), "BLPOP", "none", "no answer"),
]


@pytest.mark.parametrize(("message", "method", "status", "error"), REQUESTS)
def test_requests_are_counted_by_the_protocols_own_status(message, method, status, error):
    metrics = serving("requests", PODS)
    metrics.observe(told(message))
    page = metrics.exposition()
    own = {"protocol": message.protocol, "method": method, "reporter": "server"}
    context = {"source_pod": "web", "destination_pod": "shop"}
    assert samples(page, "rubin_requests_total") == {labelled(status=status, **own, **context): 1}
    assert samples(page, "rubin_request_errors_total") == (
        {labelled(error=error, **own, **context): 1} if error else {}
    )
    durations = samples(page, "rubin_request_duration_seconds_sum")
    assert durations == ({labelled(**own, **context): message.latency_ns / 1e9} if message.latency_ns else {})


def test_a_request_of_a_source_that_tells_both_as_rows_of_their_own_counts_once():
    metrics = serving("requests")
    metrics.observe(told(http(kind=1), http(kind=2), cookie=0))
    assert list(samples(metrics.exposition(), "rubin_requests_total").values()) == [1]
    assert samples(metrics.exposition(), "rubin_request_errors_total") == {}


def test_errors_of_one_status_are_told_apart_and_requests_are_not():
    metrics = serving("requests")
    calls = [Message(4, "http", "GET", status=500, failed=True, error=error) for error in ("A", "B", "B")]
    metrics.observe(told(*calls))
    page = metrics.exposition()
    assert list(samples(page, "rubin_requests_total").values()) == [3]
    assert sorted(samples(page, "rubin_request_errors_total").values()) == [1, 2]


@pytest.mark.parametrize(("direction", "reporter"), [(0, "unknown"), (1, "server"), (2, "client"), (3, "unknown")])
def test_the_reporter_is_the_side_that_saw_it(direction, reporter):
    metrics = serving("requests")
    metrics.observe(told(http(), direction=direction))
    ((labels, _),) = samples(metrics.exposition(), "rubin_requests_total").items()
    assert dict(labels)["reporter"] == reporter


def test_methods_without_end_are_bounded_and_every_request_accounted_for():
    now, total = [0.0], 0
    metrics = serving("requests", {}, now, series_limit=100, series_idle_s=600)
    for batch in range(20):
        now[0] += 20
        metrics.observe(told(*(Message(4, "http", f"M{batch}-{i}", status=200) for i in range(300)), http()))
        total += 301
    found = samples(metrics.exposition(), "rubin_requests_total")
    overflow = samples(metrics.exposition(), "rubin_metrics_overflow_total")[labelled(metric="rubin_requests_total")]
    assert len(found) <= 100
    assert overflow > 0
    vocabulary = metrics._running["requests"].handler._requests._vocabulary
    assert len(vocabulary._words) <= 4 * 100 + 2


def test_words_that_no_series_has_are_forgotten_and_counts_and_exemplars_stay_right():
    now = [0.0]
    metrics = serving("httpV2", {"exemplars": []}, now, series_idle_s=600)
    metrics.observe(told(*(Message(4, "http", f"M{i}", status=200) for i in range(5_000)), http(trace=1)))
    requests = metrics._running["httpV2"].handler._requests
    assert len(requests._vocabulary._words) > 5_000
    before = requests.read()
    for _ in range(20):
        now[0] += 40
        metrics.observe(told(http()))
    assert len(requests._vocabulary._words) < 10
    metrics.observe(told(http(trace=2), http(503), Message(4, "http", "M7", status=200)))
    found = {
        (dict(key)["method"], dict(key)["status"]): count
        for key, count in samples(metrics.exposition(), "hubble_http_requests_total").items()
    }
    assert found == {("GET", "200"): 22.0, ("GET", "503"): 1.0, ("M7", "200"): 1.0}
    assert [found[1] for found in exemplars(metrics)] == [TRACE.format(2)]
    counter, _ = before()
    assert len([line for line in counter.lines if 'method="M' in line]) == 5_000, "a copy means what it meant"


def test_a_kept_word_reads_as_before_beside_new_ones_of_other_tables():
    metrics = serving("httpV2")
    for _ in range(3):
        metrics.observe(told(http(), http(404), http(method="PUT")))
    assert sorted(samples(metrics.exposition(), "hubble_http_requests_total").values()) == [3, 3, 3]


@pytest.mark.parametrize(("classes", "per_second"), [(OF_HUBBLE, 10**9), (OF_REQUESTS, 10**9), (OF_CONNECTIONS, 10**6)])
def test_a_bound_belongs_to_its_own_class(classes, per_second):
    bounds = np.array([round(float(end[4:-1]) * per_second) for end in classes._ends[:-1]])
    near = np.concatenate([bounds - 1, bounds, bounds + 1, [0, 1, 1 << 50]])
    assert (classes.of(near) == np.searchsorted(bounds, near)).all()


@given(st.lists(st.integers(0, 1 << 50), min_size=1), st.sampled_from([OF_HUBBLE, OF_REQUESTS, OF_CONNECTIONS]))
def test_every_duration_has_the_class_of_the_first_bound_that_it_does_not_exceed(durations, classes):
    given_ = np.array(durations, np.int64)
    assert (classes.of(given_) == np.searchsorted(classes._edges[:-1], given_)).all()


def test_a_duration_that_cannot_be_is_not_believed():
    metrics = serving("httpV2")
    metrics.observe(told(*[Message(2, "http", "GET", status=200, latency_ns=(1 << 64) - 1)] * 3))
    ((_, seconds),) = samples(metrics.exposition(), "hubble_http_request_duration_seconds_sum").items()
    assert seconds == pytest.approx(3 * (1 << 50) / 1e9)


def test_dns_of_an_exchange_is_a_query_without_addresses_and_a_response_with_them():
    metrics = serving("dns", {"query": []})
    answer = DNS("x.example", ("10.0.0.1",), 30, qtypes=("A",), rrtypes=("CNAME", "A"))
    metrics.observe(told(Message(4, "dns", "A", target="x.example", dns=answer)))
    page = metrics.exposition()
    own = {"qtypes": "A", "query": "x.example"}
    assert samples(page, "hubble_dns_queries_total") == {labelled(rcode="", ips_returned="0", **own): 1}
    assert samples(page, "hubble_dns_responses_total") == {labelled(rcode="No Error", ips_returned="1", **own): 1}
    assert samples(page, "hubble_dns_response_types_total") == {
        labelled(type="CNAME", **own): 1,
        labelled(type="A", **own): 1,
    }


def test_a_metric_of_messages_may_be_for_some_flows_only():
    metrics = serving("requests")
    metrics.select("requests", lambda batch: batch["time_ns"] > TIME_NS)
    metrics.observe(told(http(), http()))
    assert list(samples(metrics.exposition(), "rubin_requests_total").values()) == [1]


def test_the_articles_string_gives_every_metric_that_it_names():
    metrics = Metrics(Settings(metrics=ARTICLE))
    metrics.observe(any_flows(1, 2_000, Tables()))
    served = everything(metrics.exposition())
    assert served.keys() >= {
        "hubble_dns_queries_total",
        "hubble_dns_responses_total",
        "hubble_dns_response_types_total",
        "hubble_drop_total",
        "hubble_tcp_flags_total",
        "hubble_flows_processed_total",
        "hubble_flows_to_world_total",
        "hubble_port_distribution_total",
        "hubble_icmp_total",
        "hubble_http_requests_total",
        "hubble_http_request_duration_seconds_bucket",
    }

import pytest
from prometheus_client.openmetrics import parser

from rubin.model.messages import Message
from tests.metrics.messages import PODS, TIME_NS, TRACE, http, serving, told


def lines(page, *starts):
    return "".join(line for line in page.decode().splitlines(True) if line.startswith(starts))


_WHO = 'source_pod="web",destination_pod="shop",method="GET"'
_GOLDEN = """\
hubble_http_requests_total{WHO,protocol="HTTP/1.1",status="200",reporter="server"} 2@1
hubble_http_requests_total{WHO,protocol="HTTP/1.1",status="503",reporter="server"} 1
hubble_http_request_duration_seconds_bucket{WHO,reporter="server",le="0.005"} 0
hubble_http_request_duration_seconds_bucket{WHO,reporter="server",le="0.01"} 1@2
hubble_http_request_duration_seconds_bucket{WHO,reporter="server",le="0.025"} 1
hubble_http_request_duration_seconds_bucket{WHO,reporter="server",le="0.05"} 1
hubble_http_request_duration_seconds_bucket{WHO,reporter="server",le="0.1"} 3@3
hubble_http_request_duration_seconds_bucket{WHO,reporter="server",le="0.25"} 3
hubble_http_request_duration_seconds_bucket{WHO,reporter="server",le="0.5"} 3
hubble_http_request_duration_seconds_bucket{WHO,reporter="server",le="1.0"} 3
hubble_http_request_duration_seconds_bucket{WHO,reporter="server",le="2.5"} 3
hubble_http_request_duration_seconds_bucket{WHO,reporter="server",le="5.0"} 3
hubble_http_request_duration_seconds_bucket{WHO,reporter="server",le="10.0"} 3
hubble_http_request_duration_seconds_bucket{WHO,reporter="server",le="+Inf"} 3
hubble_http_request_duration_seconds_sum{WHO,reporter="server"} 0.187
hubble_http_request_duration_seconds_count{WHO,reporter="server"} 3
"""
_EXEMPLARS = {
    "@1": ' # {traceID="4bf92f3577b34da6a3ce929d0e0e4702"} 1 1700000000.000',
    "@2": ' # {traceID="4bf92f3577b34da6a3ce929d0e0e4701"} 0.007 1700000000.000',
    "@3": ' # {traceID="4bf92f3577b34da6a3ce929d0e0e4702"} 0.09 1700000000.000',
}


@pytest.mark.parametrize("open_metrics", [False, True])
def test_a_page_of_http_with_exemplars(open_metrics):
    metrics = serving("httpV2", {**PODS, "exemplars": ["true"]})
    metrics.observe(told(http(trace=1), http(latency_ms=90, trace=2), http(503, 90)))
    golden = _GOLDEN.replace("WHO", _WHO)
    for mark, text in _EXEMPLARS.items():
        golden = golden.replace(mark, text if open_metrics else "")
    assert lines(metrics.exposition(open_metrics), "hubble_http_") == golden


def exemplars(metrics, name="hubble_http_request_duration_seconds_bucket"):
    """[(labels, trace, value, time)] as Prometheus' own parser reads them."""
    families = parser.text_string_to_metric_families(metrics.exposition(True).decode())
    found = [sample for family in families for sample in family.samples if sample.name == name and sample.exemplar]
    return [
        (one.labels.get("le"), one.exemplar.labels["traceID"], one.exemplar.value, float(one.exemplar.timestamp))
        for one in found
    ]


def test_an_exemplar_is_the_last_of_its_bucket_and_stays_through_new_tables():
    metrics = serving("httpV2", {"exemplars": ["true"]})
    metrics.observe(told(http(trace=1), http(trace=2), http(latency_ms=90, trace=3), http()))
    metrics.observe(told(http(404, trace=4), time_ns=TIME_NS + 1_500_000_000))
    metrics.observe(told(http(latency_ms=300), http(latency_ms=0, trace=5), time_ns=TIME_NS + 2_000_000_000))
    assert exemplars(metrics) == [
        ("0.005", TRACE.format(5), 0.0, 1_700_000_002.0),
        ("0.01", TRACE.format(4), 0.007, 1_700_000_001.5),
        ("0.1", TRACE.format(3), 0.09, 1_700_000_000.0),
    ]
    assert [found[1] for found in exemplars(metrics, "hubble_http_requests_total")] == [
        TRACE.format(5),
        TRACE.format(4),
    ]


def test_exemplars_go_with_their_series():
    now = [0.0]
    metrics = serving("http", {"exemplars": ["true"]}, now, series_idle_s=600)
    metrics.observe(told(http(trace=1, method="PUT"), http(trace=2)))
    now[0] += 400
    metrics.observe(told(http(trace=3)))
    now[0] += 400
    metrics.exposition()
    metrics.observe(told(http(trace=4, method="POST")))
    assert {found[1] for found in exemplars(metrics)} == {TRACE.format(3), TRACE.format(4)}
    assert {found[1] for found in exemplars(metrics, "hubble_http_requests_total")} == {
        TRACE.format(3),
        TRACE.format(4),
    }


@pytest.mark.parametrize(
    ("options", "trace_id"),
    [({}, TRACE.format(1)), ({"exemplars": ["false"]}, TRACE.format(1)), ({"exemplars": []}, "x" * 122)],
)
def test_no_exemplar_that_nobody_wants_or_that_is_too_long(options, trace_id):
    metrics = serving("httpV2", options)
    metrics.observe(told(Message(4, "http", "GET", status=200, trace_id=trace_id)))
    assert exemplars(metrics) == []


def test_an_exemplar_is_escaped():
    metrics = serving("httpV2", {"exemplars": []})
    metrics.observe(told(Message(2, "http", "GET", status=200, trace_id='a"\\\n')))
    (line,) = lines(metrics.exposition(True), "hubble_http_requests_total").splitlines()
    assert line.endswith(r' # {traceID="a\"\\\n"} 1 1700000000.000')

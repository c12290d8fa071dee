"""Hubble's rules of messages, flow by flow: each gives the labels, and the flow whose context labels they stand by."""

from collections import Counter

from rubin.model.enums import Verdict
from rubin.model.messages import MessageType
from tests.metrics.hubble import Row, context


def _dns(row, flags, name, labels):
    said = row.said.dns
    if said and not ("ignoreAAAA" in flags and said.qtypes == ("AAAA",)):
        denied, reply = row.verdict == Verdict.DROPPED, row.is_reply == 1 and row.verdict != Verdict.DROPPED
        if name == ("responses" if reply else "queries"):
            for one in labels(said, "Policy denied" if denied else RCODES.get(said.rcode, "") if reply else ""):
                yield one | ({"query": said.query} if "query" in flags else {}), row


def _dns_counts(said, rcode):
    yield {"rcode": rcode, "qtypes": ",".join(said.qtypes), "ips_returned": str(len(said.ips))}


def _dns_types(said, _):
    for kind in said.rrtypes:
        yield {"type": kind, "qtypes": ",".join(said.qtypes)}


def dns_queries(row, flags):
    return _dns(row, flags, "queries", _dns_counts)


def dns_responses(row, flags):
    return _dns(row, flags, "responses", _dns_counts)


def dns_response_types(row, flags):
    return _dns(row, flags, "responses", _dns_types)


def _reporter(row):
    return ("unknown", "server", "client")[row.traffic_direction]


def _http(row, kind, *names):
    if row.l7 == "HTTP" and row.said.type == kind:
        said = row.said
        version = said.version or ("HTTP/2" if said.protocol == "grpc" else "")
        labels = {"method": said.method, "protocol": version, "status": str(said.status), "reporter": _reporter(row)}
        yield {name: labels[name] for name in names}


def http_requests(row, flags):
    return ((labels, row) for labels in _http(row, MessageType.REQUEST, "method", "protocol", "reporter"))


def http_responses(row, flags):
    names = ("method", "protocol", "status", "reporter")
    return ((labels, row) for labels in _http(row, MessageType.RESPONSE, *names))


def http_durations(row, flags):
    return ((labels, row) for labels in _http(row, MessageType.RESPONSE, "method", "reporter"))


def http_v2_requests(row, flags):
    return ((labels, row.turned()) for labels, row in http_responses(row, flags))


def http_v2_durations(row, flags):
    return ((labels, row.turned()) for labels, row in http_durations(row, flags))


def _kafka(row, *names):
    said = row.said
    answered = row.is_exchange and said.type == MessageType.RESPONSE
    if said.protocol == "kafka" and (answered or (said.type == MessageType.REQUEST and not row.is_exchange)):
        labels = {"topic": said.target, "api_key": said.method, "error_code": str(said.status)}
        labels["reporter"] = _reporter(row)
        if "error_code" in names or said.latency_ns:
            yield {name: labels[name] for name in names}, row.turned() if answered else row


def kafka_requests(row, flags):
    return _kafka(row, "topic", "api_key", "error_code", "reporter")


def kafka_durations(row, flags):
    return _kafka(row, "topic", "api_key", "reporter")


RCODES = {
    0: "No Error", 1: "Format Error", 2: "Server Failure", 3: "Non-Existent Domain", 4: "Not Implemented",
    5: "Query Refused", 9: "Not Authorized", 23: "Bad/missing Server Cookie",
}  # fmt: skip

MESSAGES = {
    ("dns", "hubble_dns_queries_total"): dns_queries,
    ("dns", "hubble_dns_responses_total"): dns_responses,
    ("dns", "hubble_dns_response_types_total"): dns_response_types,
    ("http", "hubble_http_requests_total"): http_requests,
    ("http", "hubble_http_responses_total"): http_responses,
    ("http", "hubble_http_request_duration_seconds_count"): http_durations,
    ("httpV2", "hubble_http_requests_total"): http_v2_requests,
    ("httpV2", "hubble_http_request_duration_seconds_count"): http_v2_durations,
    ("kafka", "hubble_kafka_requests_total"): kafka_requests,
    ("kafka", "hubble_kafka_request_duration_seconds_count"): kafka_durations,
}
"""By handler and sample."""


def said(batch, rule, options=None, flags=()):
    """The series of a sample after these flows: {frozenset of labels: count}."""
    series: Counter = Counter()
    for at in range(len(batch)):
        for labels, row in rule(Row(batch, at), flags):
            series[frozenset((labels | context(row, options or {})).items())] += 1
    return series

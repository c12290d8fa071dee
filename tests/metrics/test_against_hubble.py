"""Every metric of Hubble's, over any flows and options, counts what Hubble's rules say flow by flow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubin.metrics.configuration import Configuration, metric
from rubin.metrics.options import IDENTIFIERS, LABELS
from rubin.metrics.sink import Metrics, Settings
from rubin.metrics.words import words
from rubin.model.batch import FlowBatch
from rubin.model.messages import DNS, Message
from rubin.model.tables import Container, Endpoint, Service, Tables, Workload
from tests.metrics.hubble import RULES, counted
from tests.metrics.hubble_messages import MESSAGES, said
from tests.metrics.pages import samples

_ENDPOINTS = (
    Endpoint(identity=2, labels=("reserved:world",)),
    Endpoint(identity=1, labels=("reserved:host",)),
    Endpoint(identity=7, labels=("reserved:kube-apiserver", "reserved:remote-node")),
    Endpoint(1, 300, "", "shop", ("k8s:app=", "k8s:app=b", "k8s:k8s-app=c"), "b-1", (Workload("b", "StatefulSet"),)),
    Endpoint(2, 301, "", "", ('k8s:app.kubernetes.io/name=q"uo\\te\n',), "a", (), ("x.example", "y.example")),
    Endpoint(3, 302, "", "default", (), "", (Workload("w", ""),)),
    Endpoint(4, 303, "", "default", ("cidr:10.0.0.0/8", "reserved:world-ipv4"), ""),
)
_MESSAGES = (
    Message(1, "dns", target="x.example", dns=DNS("x.example")),
    Message(1, "http", "GET"),
    Message(4, "grpc", "POST"),
    Message(2, "redis", "GET"),
    Message(1),
    Message(
        4, "dns", "A", dns=DNS("y.example", ("10.0.0.1", "10.0.0.2"), 30, qtypes=("A", "HTTPS"), rrtypes=("A", "A"))
    ),
    Message(2, "dns", dns=DNS("z.example", (), rcode=3, qtypes=("AAAA",), rrtypes=("SOA",))),
    Message(2, "dns", dns=DNS("", ("::1",), rcode=12, qtypes=("AAAA",))),
    Message(4, "http", "GET", version="HTTP/1.1", status=200, latency_ns=7_000_000),
    Message(2, "http", "PUT", version="HTTP/1.0", status=503, failed=True),
    Message(4, "grpc", "POST", status=200, failed=True, error="NOT_FOUND no such thing", latency_ns=20_000_000_000),
    Message(1, "kafka", "produce", target="orders", status=3, latency_ns=1_000_000),
    Message(1, "kafka", "fetch", target="orders"),
    Message(4, "kafka", "fetch", target="orders", latency_ns=2_000_000),
)

_RANGES = {
    "verdict": range(8),
    "event_type": (0, 1, 3, 4, 5, 7, 9, 129),
    "event_sub_type": (0, 3, 11, 13, 14, 40, 200),
    "traffic_direction": range(3),
    "is_reply": (-1, 0, 1),
    "ip_version": range(3),
    "source_low": (0xFFFF_0A00_0001, 0xFFFF_0A00_0002),
    "destination_low": (0xFFFF_0A00_0001, 5),
    "protocol": (0, 1, 2, 6, 17, 47, 58, 112, 132, 255),
    "destination_port": (0, 80, 65_535),
    "tcp_flags": (0, 1, 2, 18, 4, 21, 23, 511, 258),
    "icmp_type": (0, 3, 8, 128, 200),
    "icmp_code": (0, 1, 3, 16),
    "sctp_chunk_type": range(7),
    "drop_reason": (0, 133, 181, 206, 65_535),
    "policy_match_type": (0, 1, 2, 3, 4, 5, 6, 7, 255),
    "message": range(len(_MESSAGES) + 1),
    "source_endpoint": range(len(_ENDPOINTS) + 1),
    "destination_endpoint": range(len(_ENDPOINTS) + 1),
}


def any_flows(seed: int, n: int, tables: Tables) -> FlowBatch:
    for endpoint in _ENDPOINTS:
        tables.endpoints.code(endpoint)
    tables.messages.codes(_MESSAGES)
    rng = np.random.default_rng(seed)
    return FlowBatch({name: rng.choice(np.array(values), n) for name, values in _RANGES.items()}, tables)


_OURS = ("container", "image", "unit", "service")
_HUBBLES = [name for name in IDENTIFIERS if name not in _OURS]
_LABELS = [name for name in LABELS if not name.endswith(_OURS)]
_chain = st.lists(st.sampled_from(_HUBBLES), min_size=1, max_size=3)
_contexts = st.fixed_dictionaries(
    {},
    optional={
        "labelsContext": st.lists(st.sampled_from(_LABELS), min_size=1, unique=True),
        **{f"{side}{when}Context": _chain for side in ("source", "destination") for when in ("", "Egress", "Ingress")},
    },
)


def serving(name, options, flags=()):
    one = metric(name, {**options, **{flag: [] for flag in flags}})
    return Metrics(Settings(series_limit=100_000), Configuration((one,)))


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=40, deadline=None)
@given(options=_contexts, seed=st.integers(0, 1000), flags=st.sets(st.sampled_from(["any-drop", "port", "syn-only"])))
def test_it_counts_what_hubble_would(name, options, seed, flags):
    flags = flags if name == "flows-to-world" else set()
    batch = any_flows(seed, 200, Tables())
    metrics = serving(name, options, flags)
    metrics.observe(batch)
    assert samples(metrics.exposition(), RULES[name][0]) == counted(batch, name, options, flags)


@pytest.mark.parametrize(("name", "sample"), MESSAGES)
@settings(max_examples=20, deadline=None)
@given(options=_contexts, seed=st.integers(0, 1000), flags=st.sets(st.sampled_from(["query", "ignoreAAAA"])))
def test_it_counts_the_messages_that_hubble_would(name, sample, options, seed, flags):
    flags = flags if name == "dns" else set()
    batch = any_flows(seed, 200, Tables())
    metrics = serving(name, options, flags)
    metrics.observe(batch)
    assert samples(metrics.exposition(), sample) == said(batch, MESSAGES[name, sample], options, flags)


@pytest.mark.parametrize(("name", "sample"), MESSAGES)
def test_context_labels_come_before_those_of_messages(name, sample):
    options = {"labelsContext": list(reversed(_LABELS)), "sourceContext": ["pod"]}
    metrics = serving(name, options, ["query"] if name == "dns" else [])
    metrics.observe(any_flows(1, 500, Tables()))
    line = next(line for line in metrics.exposition().decode().splitlines() if line.startswith(sample + "{"))
    heads = [part.partition("=")[0] for part in line.partition("{")[2].split(",") if '="' in part]
    own = {
        "hubble_dns_response_types_total": ["type", "qtypes", "query"],
        "hubble_kafka_requests_total": ["topic", "api_key", "error_code", "reporter"],
        "hubble_http_responses_total": ["method", "protocol", "status", "reporter"],
    }
    assert heads[: len(_LABELS) + 1] == [*_LABELS, "source"]
    assert heads[len(_LABELS) + 1 :] == own.get(sample, heads[len(_LABELS) + 1 :])


@pytest.mark.parametrize("name", RULES)
def test_the_order_of_the_labels_is_hubbles(name):
    options = {"labelsContext": list(reversed(_LABELS)), "destinationContext": ["pod"], "sourceContext": ["pod"]}
    metrics = serving(name, options)
    metrics.observe(any_flows(1, 500, Tables()))
    line = next(line for line in metrics.exposition().decode().splitlines() if line.startswith(RULES[name][0]))
    heads = [part.partition("=")[0] for part in line.partition("{")[2].split(",") if '="' in part]
    context = [*_LABELS, "source", "destination"]
    own = [head for head in heads if head not in context]
    assert heads == ([*context, *own] if name == "drop" else [*own, *context])


def test_counts_go_on_through_new_tables_and_small_batches():
    options = {"labelsContext": ["source_app", "destination_ip"]}
    metrics = serving("flow", options)
    total: dict = {}
    for seed in range(5):
        batch = any_flows(seed, 300, Tables())
        for start in range(0, 300, 37):
            metrics.observe(batch.take(slice(start, start + 37)))
        for key, count in counted(batch, "flow", options).items():
            total[key] = total.get(key, 0) + count
    assert samples(metrics.exposition(), "hubble_flows_processed_total") == total


@pytest.mark.parametrize(("name", "sample"), MESSAGES)
def test_messages_go_on_through_new_tables_and_small_batches(name, sample):
    metrics = serving(name, {"labelsContext": ["source_app", "destination_ip"]})
    total: dict = {}
    for seed in range(3):
        batch = any_flows(seed, 300, Tables())
        for start in range(0, 300, 37):
            metrics.observe(batch.take(slice(start, start + 37)))
        for key, count in said(
            batch, MESSAGES[name, sample], {"labelsContext": ["source_app", "destination_ip"]}
        ).items():
            total[key] = total.get(key, 0) + count
    assert samples(metrics.exposition(), sample) == total


def test_an_endpoint_that_its_tables_learn_later_is_known():
    metrics, tables = serving("flow", {"labelsContext": ["source_app"]}), Tables()
    for app in ("a", "b", "c"):
        code = tables.endpoints.code(Endpoint(labels=(f"k8s:app={app}",)))
        metrics.observe(FlowBatch({"source_endpoint": np.array([code])}, tables))
    apps = {dict(labels)["source_app"] for labels in samples(metrics.exposition(), "hubble_flows_processed_total")}
    assert apps == {"a", "b", "c"}


def test_containers_images_units_and_services_are_words_too():
    shop = Endpoint(
        namespace="default",
        container=Container("c" * 64, "web", "nginx:1.25"),
        unit="nginx.service",
        service=Service("shop", "default"),
    )
    for name, value in zip(_OURS, ("web", "nginx:1.25", "nginx.service", "default/shop"), strict=True):
        assert words(shop, ((name,),), "") == (value,)
        assert words(Endpoint(), ((name,),), "") == ("",)

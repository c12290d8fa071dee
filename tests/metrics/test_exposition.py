import shutil
import subprocess
import threading
import time

import numpy as np
import pytest

from rubin.metrics.durations import BOUNDS_S
from rubin.metrics.exposition import page, wants_open_metrics
from rubin.metrics.own import Figure, Own, by_name, one
from rubin.metrics.series import Family
from rubin.metrics.sink import Metrics, Settings
from rubin.model.batch import FlowBatch
from rubin.model.enums import TCPEvent
from rubin.model.tables import Endpoint, Tables
from tests.flows import generate
from tests.metrics.pages import everything, labelled, samples
from tests.metrics.test_against_hubble import any_flows

EVERYTHING = " ".join(
    f"{name}:sourceContext=identity;labelsContext=destination_ip,traffic_direction"
    for name in (
        "flow",
        "drop",
        "tcp",
        "flows-to-world",
        "port-distribution",
        "icmp",
        "sctp",
        "policy",
        "traffic",
        "tcp-rtt",
    )
)


def busy():
    metrics = Metrics(Settings(metrics=EVERYTHING))
    metrics.observe(any_flows(1, 600, Tables()))
    batch = generate(600)
    n = len(batch)
    metrics.observe(
        batch.with_columns(
            srtt_us=np.arange(n, dtype=np.uint32),
            retransmits=np.ones(n, np.uint32),
            tcp_event=np.where(np.arange(n) % 2, TCPEvent.CONNECT, TCPEvent.RESET),
            connect_latency_us=np.full(n, 70, np.uint32),
        )
    )
    metrics.own.give("stage_seconds", by_name(lambda: [("identify", 0.25), ('odd "name"\\\n', 1e-9)]))
    metrics.own.give("memory_bytes", one(lambda: 123_456_789_012))
    return metrics


@pytest.mark.parametrize("open_metrics", [False, True])
def test_prometheus_own_parsers_read_every_line(open_metrics):
    body = busy().exposition(open_metrics)
    names = {line.split("{")[0].split(" ")[0] for line in body.decode().splitlines() if not line.startswith("#")}
    assert len(names) > 15
    assert names == set(everything(body, open_metrics))


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_finds_nothing_wrong():
    command = ["promtool", "check", "metrics"]
    found = subprocess.run(command, input=busy().exposition(), capture_output=True, timeout=60, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")


def test_both_formats_say_the_same():
    metrics = busy()
    for name in ("hubble_flows_processed_total", "rubin_tcp_rtt_seconds_bucket", "rubin_stage_cpu_seconds_total"):
        assert samples(metrics.exposition(), name) == samples(metrics.exposition(True), name, True)


def test_label_values_come_back_as_they_were():
    odd = 'back\\slash "quote"\nline é \udc80'
    tables = Tables()
    code = tables.endpoints.code(Endpoint(pod_name=odd))
    metrics = Metrics(Settings(metrics="flow:labelsContext=source_pod"))
    metrics.observe(FlowBatch({"source_endpoint": np.array([code])}, tables))
    (labels,) = samples(metrics.exposition(), "hubble_flows_processed_total")
    assert dict(labels)["source_pod"] == odd.replace("\udc80", "?")


def test_a_histogram_adds_up():
    metrics = Metrics(Settings(metrics="tcp-rtt"))
    times = np.array([1, 50, 51, 1_000, 9_999_999, 20_000_000], np.uint32)
    metrics.observe(FlowBatch({"srtt_us": times, "protocol": np.full(6, 6)}, Tables()))
    body = metrics.exposition()
    buckets = {dict(key)["le"]: count for key, count in samples(body, "rubin_tcp_rtt_seconds_bucket").items()}
    for bound in BOUNDS_S:
        assert buckets[str(float(bound))] == (times <= bound * 1e6).sum()
    assert buckets["+Inf"] == 6
    assert samples(body, "rubin_tcp_rtt_seconds_sum") == {labelled(): times.sum() / 1e6}
    assert samples(body, "rubin_tcp_rtt_seconds_count") == {labelled(): 6}


def test_a_figure_that_cannot_be_read_does_not_spoil_the_page(caplog):
    own = Own()

    def broken():
        raise RuntimeError("gone")

    own.add(Figure("rubin_broken", "gauge", "Broken", (), broken))
    own.add(Figure("rubin_whole", "gauge", "Whole", (), one(lambda: 1)))
    for _ in range(3):
        assert samples(page(own.families(), False), "rubin_whole") == {labelled(): 1.0}
    assert len([record for record in caplog.records if "rubin_broken" in record.message]) == 1


def test_help_and_type_stand_above_each_family():
    body = page([Family("a_total", "counter", 'The "a"\\\n', ['a_total{x="1"} 2'])], True).decode()
    assert body == '# HELP a The \\"a\\"\\\\\\n\n# TYPE a counter\na_total{x="1"} 2\n# EOF\n'
    assert page([Family("a", "gauge", "A", [])], False) == b""


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
        ("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.5", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=x", False),
    ],
)
def test_the_client_chooses_the_format(accept, wanted):
    assert wants_open_metrics(accept) == wanted


def test_fifty_thousand_series_are_written_in_a_second_while_the_line_goes_on():
    metrics = Metrics(Settings(metrics="flow:sourceContext=pod;destinationContext=pod", series_limit=60_000))
    tables = Tables()
    codes = np.array(
        [tables.endpoints.code(Endpoint(namespace="shop", pod_name=f"pod-{i}")) for i in range(500)], np.uint32
    )
    rows = np.arange(50_000)
    batch = FlowBatch({"source_endpoint": codes[rows % 500], "destination_endpoint": codes[rows // 500]}, tables)
    small = batch.take(slice(0, 1_000))
    metrics.observe(batch)
    waits, ended = [], threading.Event()

    def line():
        while not ended.is_set():
            start = time.monotonic()
            metrics.observe(small)
            waits.append(time.monotonic() - start)

    thread = threading.Thread(target=line)
    thread.start()
    start = time.monotonic()
    body = metrics.exposition()
    took = time.monotonic() - start
    ended.set()
    thread.join()
    assert body.count(b"hubble_flows_processed_total{") == 50_000
    assert took < 5  # on a busy machine; the bench measures
    assert len(waits) > 5


def test_run_time_is_given_in_nanoseconds_and_served_in_seconds():
    own = Own()
    own.give("program_run_ns", by_name(lambda: [("ingress", 1_500_000_000)]))
    (family,) = own.families()
    assert family.lines == ['rubin_program_run_seconds_total{program="ingress"} 1.5']

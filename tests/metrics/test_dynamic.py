import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.errors import RubinError, UsageError
from rubin.metrics.configuration import BEYOND_HUBBLE, Configuration
from rubin.metrics.dynamic import Dynamic, read
from rubin.metrics.sink import Metrics, Settings
from tests.flows import flows
from tests.metrics.pages import samples

HUBBLES = """
metrics:
- name: drop
  contextOptions:
  - name: sourceContext
    values: [workload-name, reserved-identity]
  includeFilters:
  - source_pod: ["shop/"]
  excludeFilters:
  - destination_port: ["81"]
- name: flow
"""


def by_port(include, exclude):
    """A filter on destination ports alone, in place of the one that the agent hands over."""

    def ports(filters):
        return [int(port) for one in filters for port in one.get("destination_port", ())]

    def select(batch):
        port = batch["destination_port"]
        wanted = np.isin(port, ports(include)) if ports(include) else np.ones(len(batch), bool)
        return wanted & ~np.isin(port, ports(exclude))

    return select


def batch():
    return flows("""
        src         dst          verdict
        10.0.0.1:9  10.0.0.2:80  DROPPED
        10.0.0.1:9  10.0.0.2:81  DROPPED
    """)


def dynamic(tmp_path, text):
    path, now = tmp_path / "metrics.yaml", [0.0]
    path.write_text(text)
    metrics = Metrics(Settings(), Configuration(), clock=lambda: now[0])
    return path, now, metrics, Dynamic(path, metrics, by_port, clock=lambda: now[0])


def test_hubbles_file_is_read():
    configuration, selects = read(HUBBLES, "metrics.yaml", by_port)
    by_name = {metric.name: metric for metric in configuration.metrics}
    assert set(by_name) == {"drop", "flow", *BEYOND_HUBBLE}
    assert by_name["drop"].context.names == ("source",)
    assert selects["drop"](batch()).tolist() == [True, False]
    assert "flow" not in selects


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("metrics: [", "not valid YAML"),
        ("3", "no list of metrics"),
        ("metrics: 3", "no list of metrics"),
        ("metrics: [3]", "metric 1 has no name"),
        ("metrics: [{name: flow, filters: []}]", "unknown key 'filters'"),
        ("metrics: [{name: flow, includeFilters: 3}]", "includeFilters must be a list"),
        ("metrics: [{name: flow, contextOptions: [3]}]", "a context option has no name"),
        ("metrics: [{name: flow, contextOptions: [{name: sourceContext, values: pod}]}]", "are no list"),
        ("metrics: [{name: flow, contextOptions: [{name: sourceContext, values: [pods]}]}]", "'pods' does not exist"),
        ("metrics: [{name: flows}]", "metric 'flows' does not exist"),
    ],
)
def test_an_error_says_what_is_wrong(text, words):
    with pytest.raises(UsageError) as caught:
        read(text, "metrics.yaml", by_port)
    assert words in caught.value.sentence
    assert caught.value.way_on


@given(st.text())
def test_any_file_is_read_or_refused(text):
    with contextlib.suppress(UsageError):
        read(text, "metrics.yaml", by_port)


def test_metrics_come_and_go_and_filters_change_while_flows_are_counted(tmp_path: Path):
    path, now, metrics, one = dynamic(tmp_path, HUBBLES)
    metrics.observe(batch())
    assert sum(samples(metrics.exposition(), "hubble_drop_total").values()) == 1
    assert sum(samples(metrics.exposition(), "hubble_flows_processed_total").values()) == 2
    path.write_text(HUBBLES.replace('"81"', '"99"').replace("name: flow", "name: icmp"))
    now[0] += 5
    one.poll()
    assert "flow" in metrics.running
    now[0] += 6
    one.poll()
    assert {"drop", "icmp"} <= set(metrics.running)
    assert "flow" not in metrics.running
    metrics.observe(batch())
    assert sum(samples(metrics.exposition(), "hubble_drop_total").values()) == 3
    assert samples(metrics.exposition(), "hubble_flows_processed_total") == {}


def test_context_options_of_a_running_metric_wait_for_a_restart(tmp_path: Path, caplog):
    path, now, metrics, one = dynamic(tmp_path, HUBBLES)
    before = metrics.running["drop"]
    path.write_text(HUBBLES.replace("sourceContext", "destinationContext"))
    now[0] += 11
    one.poll()
    assert metrics.running["drop"] == before
    assert "until a restart" in caplog.text


def test_a_broken_file_changes_nothing_and_is_said_once(tmp_path: Path, caplog):
    path, now, metrics, one = dynamic(tmp_path, HUBBLES)
    running = metrics.running
    path.write_text("metrics: [")
    for _ in range(3):
        now[0] += 11
        one.poll()
    assert metrics.running == running
    assert "not valid YAML" in one.fault
    assert len(caplog.records) == 1
    path.write_text(HUBBLES)
    now[0] += 11
    one.poll()
    assert one.fault == ""


def test_a_file_that_is_not_there_at_the_start_is_an_error(tmp_path: Path):
    with pytest.raises(RubinError):
        Dynamic(tmp_path / "none.yaml", Metrics(Settings(), Configuration()), by_port)

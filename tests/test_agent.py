"""The agent's settings reach the rooms that they are for."""

import socket

import numpy as np
import pytest

from rubin.agent import AgentSettings, _completeness, _select
from rubin.errors import UsageError
from rubin.kernel.losses import Loss
from rubin.sources.live import LiveStatus
from tests.flows import flows


@pytest.mark.parametrize(
    ("node", "cluster", "expected"),
    [
        ("n1", "default", "n1"),
        ("n1", "", "n1"),
        ("n1", "east", "east/n1"),
        ("", "east", f"east/{socket.gethostname()}"),
    ],
)
def test_a_node_is_named_with_its_cluster_unless_that_is_the_default(node, cluster, expected):
    assert AgentSettings(node_name=node, cluster_name=cluster).node == expected


@pytest.mark.parametrize(
    ("vantage", "expected"),
    [("sockets", ("sockets",)), ("interfaces", ("interfaces",)), ("both", ("sockets", "interfaces"))],
)
def test_both_means_both_vantages(vantage, expected):
    live = AgentSettings(vantage=vantage, monitor_aggregation_interval="1m30s").of_live()
    assert live.vantages == expected
    assert live.interval_s == 90


def test_an_export_is_described_by_its_flags():
    export = AgentSettings(export_file_path="/x", export_file_max_backups=2).of_export()
    assert (export.export_file_path, export.export_file_max_backups) == ("/x", 2)


def test_metrics_are_for_the_flows_that_their_filters_choose():
    batch = flows("src dst from to\n10.0.0.1:1 10.0.0.2:80 a/x b/y\n10.0.0.1:1 10.0.0.2:81 c/x b/y")
    assert _select([{"source_pod": ["a/"]}], [])(batch).tolist() == [True, False]
    assert _select([], [{"destination_port": ["80"]}])(batch).tolist() == [False, True]
    with pytest.raises(UsageError):
        _select([{"source_pad": ["a/"]}], [])


def test_completeness_is_the_part_of_the_events_that_became_flows():
    def live(lost: int) -> LiveStatus:
        losses = {"kernel ring": Loss(lost, 0, 0)} if lost else {}
        return LiveStatus((), (), losses, {}, 0, 0.0, 0.0, {}, {}, {}, {})

    assert _completeness(0, live(0)) == 100
    assert _completeness(75, live(25)) == 75
    assert np.isclose(_completeness(2, live(1)), 66.6667)
    assert _completeness(10**12, live(1)) == 99.9999, "what is not all is never said to be"


@pytest.mark.parametrize(
    "wrong",
    [
        {"ring_capacity": 0},
        {"ring_capacity": -7},
        {"metrics_series_limit": 0},
        {"node_name": "a/b"},
        {"interface": ("eth0",)},
    ],
)
def test_settings_without_sense_are_refused(wrong):
    AgentSettings().check()
    with pytest.raises(UsageError):
        AgentSettings(**wrong).check()

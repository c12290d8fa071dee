"""Every query of the Grafana dashboards names metrics and labels that the agent really serves."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

from rubin.metrics.own import FIGURES, by_name, one
from rubin.metrics.sink import Metrics, Settings
from rubin.model.batch import Lost
from rubin.model.enums import LostSource, TCPEvent
from rubin.model.tables import Tables
from tests.flows import generate
from tests.metrics.pages import everything
from tests.metrics.test_against_hubble import any_flows

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "deploy/grafana").glob("*.json"))
_PAIR = "sum by(source_app, destination_app, destination_namespace, source_namespace)"
_DEFAULT = 'source_namespace="default", destination_namespace="default"'
ARTICLE = {
    (
        f'{_PAIR} (rate(hubble_flows_processed_total{{source_app="pod-a", destination_app="pod-b", {_DEFAULT}}}'
        "[$__rate_interval]))"
    ),
    f'{_PAIR} (rate(hubble_flows_processed_total{{source_app="pod-b", destination_app="pod-a"}}[$__rate_interval]))',
    (
        "sum by(source_app) (rate(hubble_flows_to_world_total{"
        'source_app="test-connectivity", source_namespace="default"}[$__rate_interval]))'
    ),
    (
        'sum by(destination_app) (rate(hubble_flows_processed_total{destination_namespace="default", '
        'destination_app="http-echo"}[$__rate_interval]))'
    ),
}
# The agent's own figures: those that it hands over, by their short names.
GIVEN = re.findall(r'\bgive\("(\w+)"', (ROOT / "src/rubin/agent.py").read_text())
# A scrape adds these to every series.
SCRAPED = {"instance", "job"}


def dashboard(path):
    return json.loads(path.read_text())


def panels(board):
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries(board):
    return [target["expr"] for panel in panels(board) for target in panel["targets"]]


@pytest.fixture(scope="module")
def served():
    """{name of a sample: its labels} of an agent with the default configuration that has seen all kinds of flows."""
    metrics = Metrics(Settings())
    metrics.observe(any_flows(1, 2_000, Tables()))
    batch = generate(2_000)
    n = len(batch)
    events = np.where(np.arange(n) % 2, TCPEvent.CONNECT, TCPEvent.RESET)
    ones = np.ones(n, np.uint32)
    metrics.observe(batch.with_columns(srtt_us=ones, retransmits=ones, tcp_event=events, connect_latency_us=ones))
    metrics.note_lost([Lost(LostSource.PERF_EVENT_RING_BUFFER, 1, 1, place="ring")])
    for figure in GIVEN:
        metrics.own.give(figure, by_name(lambda: [("x", 1.0)]) if FIGURES[figure] else one(lambda: 1.0))
    found = everything(metrics.exposition())
    return {name: set().union(*(dict(labels) for labels in series)) for name, series in found.items()}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_grafana_can_load_it(path):
    board = dashboard(path)
    assert board["title"]
    assert re.fullmatch(r"[a-z0-9-]{1,40}", board["uid"])
    assert board["schemaVersion"] >= 36
    variables = [variable["name"] for variable in board["templating"]["list"]]
    assert variables[0] == "datasource"
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, f"{panel['title']} lies over another panel"
        taken |= cells
    for panel in panels(board):
        assert panel["title"]
        for source in [panel, *panel["targets"]]:
            assert source["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_no_two_dashboards_share_a_uid():
    uids = [dashboard(path)["uid"] for path in DASHBOARDS]
    assert len(DASHBOARDS) >= 2
    assert len(set(uids)) == len(uids)


def test_the_articles_queries_are_there_to_the_letter():
    every = [query for path in DASHBOARDS for query in queries(dashboard(path))]
    assert set(every) >= ARTICLE


_SELECTOR = re.compile(r"\b((?:hubble|rubin)_\w+)(?:\{([^}]*)\})?")
_BY = re.compile(r"\bby\s*\(([^)]*)\)")
_LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_query_names_what_is_served(path, served):
    board = dashboard(path)
    every = queries(board)
    every += [variable["definition"] for variable in board["templating"]["list"] if variable["type"] == "query"]
    assert every
    for query in every:
        selectors = _SELECTOR.findall(query)
        assert selectors, query
        for name, inside in selectors:
            assert name in served, f"{name} in {query}"
            wanted = set(_LABEL.findall(inside))
            wanted |= {label.strip() for labels in _BY.findall(query) for label in labels.split(",")}
            assert wanted <= served[name] | SCRAPED, f"{wanted - served[name]} in {query}"


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_legend_names_labels_that_its_query_leaves(path, served):
    for panel in panels(dashboard(path)):
        for target in panel["targets"]:
            legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            by = {label.strip() for labels in _BY.findall(target["expr"]) for label in labels.split(",")}
            if by:
                assert legend <= by, target["expr"]
            elif legend:
                (name, _), *_ = _SELECTOR.findall(target["expr"])
                assert legend <= served[name] | SCRAPED


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_prometheus_understands_every_query(tmp_path):
    every = [query for path in DASHBOARDS for query in queries(dashboard(path))]
    rules = [
        {"record": f"checked_{number}", "expr": query.replace("$__rate_interval", "5m").replace("$instance", ".*")}
        for number, query in enumerate(every)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    found = subprocess.run(
        ["promtool", "check", "rules", str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr

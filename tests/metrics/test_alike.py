"""Flows that counters see alike are put together, and the counts are those of each flow by itself."""

import numpy as np
import pytest

from rubin.metrics.configuration import metric, parse
from rubin.metrics.sink import Metrics, Settings
from rubin.model.batch import FlowBatch
from rubin.model.enums import EventType, Protocol, Verdict
from rubin.model.tables import Tables
from tests.flows import generate
from tests.metrics.hubble import RULES, counted
from tests.metrics.pages import labelled, samples
from tests.metrics.test_against_hubble import any_flows

_LABELS = {"labelsContext": ["source_app", "destination_namespace", "traffic_direction"]}
_TEXT = "labelsContext=source_app,destination_namespace,traffic_direction"


def metrics_of(*names: str, labels: str = _TEXT) -> Metrics:
    return Metrics(Settings(series_limit=100_000), parse(" ".join(f"{name}:{labels}" for name in names)))


def mostly_plain(seed: int, n: int, tables: Tables):
    """Any flows, of which most are packets of TCP and UDP that went their way."""
    batch = any_flows(seed, n, tables)
    plain = np.random.default_rng(seed).random(n) < 0.8
    protocols = np.where(np.arange(n) % 3, Protocol.TCP, Protocol.UDP)
    return batch.with_columns(
        event_type=np.where(plain, EventType.TRACE, batch["event_type"]),
        verdict=np.where(plain, Verdict.FORWARDED, batch["verdict"]),
        protocol=np.where(plain, protocols, batch["protocol"]),
        message=np.where(plain, 0, batch["message"]),
    )


@pytest.mark.parametrize("name", RULES)
def test_many_batches_count_as_each_of_their_flows(name):
    metrics, total = metrics_of(name), dict[frozenset[tuple[str, str]], float]()
    for tables in (Tables(), Tables()):
        for seed in range(4):
            batch = mostly_plain(seed, 2_000, tables)
            for start in range(0, 2_000, 700):
                metrics.observe(batch.take(slice(start, start + 700)))
            for key, count in counted(batch, name, _LABELS).items():
                total[key] = total.get(key, 0) + count
    assert samples(metrics.exposition(), RULES[name][0]) == total


def test_more_different_flows_than_are_learned_count_all_the_same():
    metrics, batch = metrics_of("port-distribution", "flow"), generate(40_000, pairs=7_000)
    batch = batch.with_columns(destination_port=np.arange(40_000, dtype=np.uint16))
    for _ in range(3):
        metrics.observe(batch)
    page = metrics.exposition()
    assert sum(samples(page, "hubble_flows_processed_total").values()) == 3 * 40_000
    asked = (batch["is_reply"] == 0) & (batch["verdict"] == Verdict.FORWARDED)
    assert sum(samples(page, "hubble_port_distribution_total").values()) == 3 * asked.sum()


def test_a_counter_that_starts_or_changes_counts_what_comes_from_then_on():
    metrics, batch = metrics_of("flow"), generate(1_000)
    metrics.observe(batch)
    metrics.start(metric("drop", _LABELS))
    metrics.observe(batch)
    dropped = int((batch["verdict"] == Verdict.DROPPED).sum())
    metrics.select("flow", lambda flows: flows["verdict"] == Verdict.DROPPED)
    metrics.observe(batch)
    page = metrics.exposition()
    assert sum(samples(page, "hubble_drop_total").values()) == 2 * dropped
    assert sum(samples(page, "hubble_flows_processed_total").values()) == 2 * 1_000 + dropped


def test_of_flows_without_room_each_is_told():
    metrics = Metrics(Settings(series_limit=5), parse("flow:labelsContext=source_pod"))
    for _ in range(3):
        metrics.observe(generate(1_000))
    page = metrics.exposition()
    counted_flows = sum(samples(page, "hubble_flows_processed_total").values())
    overflow = samples(page, "rubin_metrics_overflow_total")
    assert counted_flows + overflow[labelled(metric="hubble_flows_processed_total")] == 3_000


def test_what_moved_is_summed_whole():
    metrics, batch = metrics_of("flow"), generate(5_000)
    captured = FlowBatch({name: batch[name] for name in batch.names() if name != "socket_cookie"}, batch.tables)
    for _ in range(2):
        metrics.observe(captured)
    page = metrics.exposition()
    moved = batch["verdict"] != Verdict.DROPPED
    for name in ("packets", "bytes"):
        assert sum(samples(page, f"rubin_{name}_total").values()) == 2 * int(batch[name][moved].sum())

"""The line takes every batch through stages and sinks, and survives a stage that is broken."""

import numpy as np

from rubin import pipeline
from rubin.model.batch import FlowBatch, empty
from tests.flows import flows


def _batches() -> list[FlowBatch]:
    return [flows("src dst\n10.0.0.1:1 10.0.0.2:2"), flows("src dst\n10.0.0.3:1 10.0.0.4:2")]


def test_stages_run_in_order_before_the_sinks():
    got: list[FlowBatch] = []
    stages = [
        ("two", lambda batch: batch.with_columns(packets=np.array([2]))),
        ("double", lambda batch: batch.with_columns(packets=batch["packets"] * 2)),
    ]
    account = pipeline.run(_batches(), stages, [("keep", got.append)])
    assert [batch["packets"].tolist() for batch in got] == [[4], [4]]
    assert (account.batches, account.flows) == (2, 2)


def test_a_stage_that_raises_is_counted_and_passed_by(caplog):
    got: list[FlowBatch] = []

    def broken(batch: FlowBatch) -> FlowBatch:
        raise ZeroDivisionError

    account = pipeline.run(_batches(), [("broken", broken)], [("keep", got.append)])
    assert len(got) == 2
    assert account.failures == {"broken": 2}
    assert len(caplog.records) == 1


def test_a_stage_may_leave_nothing():
    got: list[FlowBatch] = []
    pipeline.run(_batches(), [("none", lambda batch: empty())], [("keep", got.append)])
    assert [len(batch) for batch in got] == [0, 0]

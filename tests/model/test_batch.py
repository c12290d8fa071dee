"""A batch is columns of one length over shared tables; what it does not know reads as missing."""

import numpy as np
import pytest

from rubin.model.batch import FlowBatch, adopt, concat, empty
from rubin.model.columns import COLUMNS, DTYPES, ROW_BYTES
from rubin.model.tables import Tables
from tests.flows import flows, generate

TABLE = "src dst from to\n10.0.0.1:1 10.0.0.2:2 a/x b/y\n10.0.0.1:1 10.0.0.3:2 a/x c/z"


def test_a_column_that_is_not_there_reads_as_its_missing_value():
    batch = FlowBatch({"time_ns": np.arange(3)}, Tables())
    assert batch["is_reply"].tolist() == [-1, -1, -1]
    assert batch["bytes"].tolist() == [0, 0, 0]
    assert batch["bytes"].dtype == DTYPES["bytes"]


def test_a_column_that_does_not_exist_is_an_error():
    with pytest.raises(KeyError):
        empty()["colour"]


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="different lengths"):
        FlowBatch({"time_ns": np.arange(3), "bytes": np.arange(4)}, Tables())


def test_rows_are_taken_by_mask_and_slice():
    batch = FlowBatch({"bytes": np.arange(5)}, Tables())
    assert batch.take(batch["bytes"] > 2)["bytes"].tolist() == [3, 4]
    assert batch.take(slice(1, 3))["bytes"].tolist() == [1, 2]


def test_adopted_rows_name_the_same_things():
    batch, tables = flows(TABLE), Tables()
    flows("src dst from to\n10.9.9.9:1 10.0.0.2:2 q/q r/r", tables)
    moved = adopt(batch, tables)
    for name in ("source_endpoint", "destination_endpoint"):
        assert moved.rows(name) == batch.rows(name)
    assert moved.tables is tables


def test_joined_batches_keep_order_names_and_losses():
    first, second = flows(TABLE), generate(50)
    both = concat([first, second])
    assert len(both) == 52
    assert both.rows("destination_endpoint") == first.rows("destination_endpoint") + second.rows("destination_endpoint")
    assert both["is_reply"].tolist() == first["is_reply"].tolist() + second["is_reply"].tolist()


def test_joining_nothing_gives_nothing():
    assert len(concat([])) == 0
    assert len(concat([empty(), empty()])) == 0


def test_every_column_of_codes_names_a_table():
    tables = Tables()
    for column in COLUMNS.values():
        if column.table:
            assert len(tables[column.table]) == 1, column.name


def test_a_row_leaves_room_for_names_and_contents():
    assert ROW_BYTES <= 155

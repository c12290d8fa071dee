"""Texts of a column, each made once for all rows with the same value."""

from collections.abc import Callable

import numpy as np

from rubin.model.batch import Array, FlowBatch
from rubin.model.messages import Message


def texts(values: Array, text: Callable[[int], str]) -> list[str]:
    """One text a row. `text` is asked once for each distinct value."""
    found, where = np.unique(values, return_inverse=True)
    made = [text(value) for value in found.tolist()]
    return [made[at] for at in where.tolist()]


def message_texts(batch: FlowBatch, text: Callable[[Message], str]) -> list[str]:
    """One text a row, of its message as a flow of its direction shows it; "" for rows without."""
    codes, table = batch["message"].astype(np.int64), batch.tables.messages
    if not codes.any():
        return [""] * len(batch)
    found, where = np.unique(codes << 1 | (batch["is_reply"] == 1), return_inverse=True)
    there = (found >> 1 > 0).tolist()
    rows = table.read(found >> 1, found & 1)
    made = [text(row) if known else "" for row, known in zip(rows, there, strict=True)]
    return [made[at] for at in where.tolist()]

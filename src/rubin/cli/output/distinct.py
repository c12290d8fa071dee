"""Texts of a column, each made once for all rows with the same value."""

from collections.abc import Callable

import numpy as np

from rubin.model.batch import Array


def texts(values: Array, text: Callable[[int], str]) -> list[str]:
    """One text a row. `text` is asked once for each distinct value."""
    found, where = np.unique(values, return_inverse=True)
    made = [text(value) for value in found.tolist()]
    return [made[at] for at in where.tolist()]

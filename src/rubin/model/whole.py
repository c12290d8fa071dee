"""Rows of structures in one piece: numpy would copy them member by member, ten to thirty times dearer."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
U8 = npt.NDArray[np.uint8]


def whole(rows: Array) -> Array:
    """The same rows, contiguous ones, in place as bytes without members; `.view(dtype)` gives them back."""
    return rows.view(np.dtype((np.void, rows.dtype.itemsize)))


def chosen(rows: Array, which: Any) -> Array:
    """The rows that an index array or a mask chooses, copied."""
    found: Array = whole(rows)[which].view(rows.dtype)
    return found


def joined(*parts: Array) -> Array:
    """All of them, one after the other, in the dtype of the first."""
    found: Array = np.concatenate([whole(part) for part in parts]).view(parts[0].dtype)
    return found


def windows(data: U8, at: npt.NDArray[np.integer], width: int) -> U8:
    """(n, width) uint8, copied: the bytes from each of these places on. `data` goes on for so many behind each."""
    every = np.ndarray((max(len(data) - width + 1, 0),), np.dtype((np.void, width)), data, strides=(1,))
    found: U8 = every[at].view(np.uint8).reshape(len(at), width)
    return found

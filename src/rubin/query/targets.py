"""What requests ask for, without what makes each of them another: /items/1 and /items/2 are /items/*."""

import re

import numpy as np

from rubin.model.batch import Array
from rubin.model.codes import I64
from rubin.model.messages import HTTP, NUMBERS
from rubin.model.texts import Texts

_UUID = rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_SHAPES = (
    (HTTP, re.compile(rb"/(?:[0-9]+|[0-9a-fA-F]{8,}|" + _UUID + rb")(?=[/?#\0])"), b"/*"),
    ((NUMBERS["redis"],), re.compile(rb"[0-9]+"), b"*"),
)
"""Protocols, what is left out of their targets, what stands for it. SQL comes without literals."""


def targets(rows: Array, texts: Texts, made: Texts) -> Array:
    """(n,) the codes in `made` of the targets of rows of messages, whose texts are in `texts`."""
    found = np.zeros(len(rows), np.uint32)
    left = np.ones(len(rows), np.bool_)
    for protocols, pattern, stands in _SHAPES:
        mine = np.isin(rows["protocol"], protocols)
        left &= ~mine
        at = np.flatnonzero(mine)
        if len(at):
            found[at] = moved(rows["target"][at], texts, made, pattern, stands)
    at = np.flatnonzero(left)
    found[at] = moved(rows["target"][at], texts, made)
    return found


def moved(
    codes: Array, texts: Texts, made: Texts, pattern: re.Pattern[bytes] | None = None, stands: bytes = b""
) -> Array:
    """(n,) the codes in `made` of these texts, with `stands` for what the pattern finds. No Python a text."""
    distinct, where = np.unique(codes, return_inverse=True)
    together = texts.joined(distinct, 0)
    if together.count(b"\0") != len(distinct):
        together = b"".join(text.replace(b"\0", b" ") + b"\0" for text in map(texts.raw, distinct.tolist()))
    if pattern is not None:
        together = pattern.sub(stands, together)
    data = np.frombuffer(together + bytes(8), np.uint8)
    ends: I64 = np.flatnonzero(data[: len(together)] == 0)
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])[: len(ends)]
    return made.codes(data, starts, ends - starts)[where]

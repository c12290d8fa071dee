"""Filters at work: the predicates of a filter one after another over the columns of a batch."""

from collections.abc import Callable, Sequence
from dataclasses import fields

import numpy as np
import numpy.typing as npt

from rubin.errors import UsageError
from rubin.model.batch import FlowBatch
from rubin.model.enums import EventType
from rubin.model.flow_filter import FlowFilter
from rubin.model.meanings import BEYOND_HUBBLE, MEANINGS
from rubin.model.predicates import Mask, Predicate, merged

Cel = Callable[[FlowBatch, npt.NDArray[np.intp]], npt.NDArray[np.bool_]]
"""Of these rows of a batch, the ones for which an expression holds; (len(rows),) bool."""


class Judgement:
    """One filter: all its predicates hold, and of the rows left then the expression."""

    def __init__(self, asked: FlowFilter, cel: Callable[[tuple[str, ...]], Cel] | None) -> None:
        _check_http(asked)
        self._predicates = merged(_predicates(asked))
        self._cel: Cel | None = None
        self.dear = bool(asked.cel_expression)
        if asked.cel_expression:
            if cel is None:
                raise UsageError("CEL expressions cannot be judged here", "leave out --cel-expression")
            self._cel = cel(asked.cel_expression)

    def mask(self, batch: FlowBatch, among: Mask | None) -> Mask:
        """(n,) bool: the rows that pass, of those among which it is asked (all)."""
        left = np.ones(len(batch), np.bool_) if among is None else among.copy()
        for at, predicate in enumerate(self._predicates):
            left &= predicate(batch, left if at or among is not None else None)
        if self._cel is not None and left.any():
            rows = np.flatnonzero(left)
            left[rows] = self._cel(batch, rows)
        return left


def wanted(allow: Sequence[Judgement], deny: Sequence[Judgement], batch: FlowBatch) -> Mask:
    """(n,) bool: the rows that one of `allow` passes (all where there is none) and none of `deny`."""
    found = np.zeros(len(batch), np.bool_) if allow else np.ones(len(batch), np.bool_)
    for judgement in allow:
        found |= judgement.mask(batch, ~found if judgement.dear and found.any() else None)
    for judgement in deny:
        if not found.any():
            break
        found &= ~judgement.mask(batch, found)
    return found


def _predicates(asked: FlowFilter) -> list[Predicate]:
    """One per field that has values."""
    hubble = [MEANINGS[name](getattr(asked, name)) for name in MEANINGS if getattr(asked, name)]
    beyond = [BEYOND_HUBBLE[name](getattr(asked.beyond, name)) for name in BEYOND_HUBBLE if getattr(asked.beyond, name)]
    return hubble + beyond


def _check_http(asked: FlowFilter) -> None:
    """Hubble refuses to ask for HTTP where the events asked for carry none."""
    if not asked.event_type or any(kind == EventType.L7 for kind, _, _ in asked.event_type):
        return
    for field in fields(asked):
        if field.name.startswith("http_") and getattr(asked, field.name):
            what = _HTTP_WORDS[field.name]
            raise UsageError(
                f"filtering by http {what} requires the event type filter to only match 'l7' events",
                "add --type l7, or leave the event type out",
            )


_HTTP_WORDS = {
    "http_status_code": "status code",
    "http_method": "method",
    "http_path": "path",
    "http_url": "url",
    "http_header": "headers",
}

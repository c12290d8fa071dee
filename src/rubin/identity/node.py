"""The labels of the node that saw a flow: a stage of the line, where there is a cluster."""

from collections.abc import Callable
from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from rubin.model.batch import FlowBatch
from rubin.model.tables import Tables

Codes = npt.NDArray[np.uint32]


class NodeLabels:
    """Puts `labels()`, sorted `key=value`, into each flow's contents; () leaves flows as they are."""

    def __init__(self, labels: Callable[[], tuple[str, ...]]) -> None:
        self._labels = labels
        self._now: tuple[str, ...] = ()
        self._labelled: WeakKeyDictionary[Tables, dict[int, int]] = WeakKeyDictionary()

    def label(self, batch: FlowBatch) -> FlowBatch:
        """The batch with the node's labels."""
        labels = self._labels()
        if not labels or not len(batch):
            return batch
        if labels != self._now:
            self._now = labels
            self._labelled.clear()
        known = self._labelled.setdefault(batch.tables, {})
        distinct, where = np.unique(batch["contents"], return_inverse=True)
        codes: Codes = np.array([self._code(known, code, batch.tables) for code in distinct.tolist()], np.uint32)
        return batch.with_columns(contents=codes[where])

    def _code(self, known: dict[int, int], code: int, tables: Tables) -> int:
        if code not in known:
            known[code] = tables.contents.code(replace(tables.contents[code], node_labels=self._now))
        return known[code]

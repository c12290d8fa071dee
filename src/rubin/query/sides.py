"""What only an end's own socket can tell of it, the process or the node, learned from the flows seen there."""

import numpy as np

from rubin.model.batch import Array, FlowBatch
from rubin.model.codes import I64, U64, Codes, mix
from rubin.model.tables import Process, Tables

Ends = dict[str, Array]  # the columns "high", "low", "port", "endpoint" of one end

_MOST = 200_000


class Sides:
    """Answers of one scope; for scopes other than process and node there is nothing to learn."""

    def __init__(self, scope: str) -> None:
        self._column = {"process": "process", "node": "node_name"}.get(scope, "")
        self._by_connection = scope == "process"  # a node is where an address is
        self._codes = Codes()
        self._tags: I64 = np.zeros(1024, np.int64)

    def tags(
        self, batch: FlowBatch, asker: Ends, asked: Ends, at_client: Array, at_server: Array
    ) -> tuple[Array, Array]:
        """(n,) codes of whose the asking and the asked socket is; 0: not known."""
        if not self._column:
            nothing = np.zeros(len(batch), np.int64)
            return nothing, nothing
        if len(self._codes) > _MOST:
            self._codes, self._tags = Codes(), np.zeros(1024, np.int64)
        own = batch[self._column].astype(np.int64)
        keys = [self._keys(batch, *ends, end) for end, ends in enumerate(((asker, asked), (asked, asker)))]
        for key, here in zip(keys, (at_client, at_server), strict=True):
            rows = np.flatnonzero(here & (own > 0))
            self._note(key[rows], own[rows])
        tags = [self._tag(key) for key in keys]
        return tags[0], tags[1]

    def known(self, tables: Tables, tag: int) -> tuple[Process, str]:
        """The process and the node of a tag."""
        if self._column == "process":
            return tables.processes[tag], ""
        return Process(), tables.strings[tag] if self._column else ""

    def _keys(self, batch: FlowBatch, own: Ends, other: Ends, end: int) -> U64:
        if not self._by_connection:
            return mix(own["high"], own["low"])
        parts = [ends[name] for ends in (own, other) for name in ("high", "low", "port")]
        return mix(*parts, batch["protocol"], np.full(len(batch), end))

    def _note(self, keys: U64, tags: I64) -> None:
        found = self._codes.find(keys)
        new, first = np.unique(keys[found < 0], return_index=True)
        if len(new):
            count = len(self._codes)
            self._codes.add_all(new, np.arange(count, count + len(new)))
            while len(self._tags) < count + len(new):
                self._tags = np.concatenate([self._tags, np.zeros_like(self._tags)])
            self._tags[count : count + len(new)] = tags[found < 0][first]
        known = found >= 0
        self._tags[found[known]] = tags[known]

    def _tag(self, keys: U64) -> I64:
        found = self._codes.find(keys)
        return np.where(found >= 0, self._tags[found], 0)

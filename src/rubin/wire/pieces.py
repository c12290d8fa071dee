"""The parts of a flow message that many rows share: shapes, sides, places, and what only some flows carry.

All of it for one `Tables` and one field mask. A row whose contents hold `rest` was not ours: a field
that `rest` has is taken from there as it came, and left out of the other pieces. An empty emitter in it
means that there was none.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from rubin.model.tables import Tables
from rubin.wire import shapes, sides
from rubin.wire.mask import Tree, prune
from rubin.wire.pb import flow_pb2, observer_pb2
from rubin.wire.rows import put_contents, put_message
from rubin.wire.shapes import Shapes, encoded
from rubin.wire.sides import Places, Sides
from rubin.wire.skips import Skips

Codes = npt.NDArray[np.uint32]
Replies = npt.NDArray[np.int8]

_DERIVED = {"skip", "cgroup_id", "spare"}
COLUMNS = ({*(shapes.RECORD.names or ()), *sides.COLUMNS} - _DERIVED) | {"process", "contents", "message"}
"""What the pieces are made of."""


class Pieces:
    """Makes and keeps them. All go by rows but `contents` and `messages`, which go by their codes."""

    _KEPT = 32_768
    _KEPT_MESSAGES = 8_192  # for those who follow: each is told once, to all at about the same time

    def __init__(self, tables: Tables, wanted: Tree | None, version: str) -> None:
        self._tables, self._wanted = tables, wanted
        self.skips = Skips(tables)
        self.shapes = Shapes(tables, wanted, self.skips, version)
        self.sources = Sides("source", tables, wanted, self.skips)
        self.destinations = Sides("destination", tables, wanted, self.skips)
        self.places = Places(tables, wanted, self.skips)
        self._cgroup_of = np.zeros(1, np.uint64)
        self._contents: dict[int, tuple[bytes, bytes]] = {}
        self._messages: dict[tuple[int, int, int], bytes] = {}

    def cgroups(self, processes: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
        """(n,) the cgroup id of each row's process."""
        rows, known = self._tables.processes.rows, len(self._cgroup_of)
        if len(rows) > known:
            more = np.array([row.cgroup_id for row in rows[known:]], np.uint64)
            self._cgroup_of = np.concatenate([self._cgroup_of, more])
        found: npt.NDArray[np.uint64] = self._cgroup_of[processes]
        return found

    def contents(self, code: int) -> tuple[bytes, bytes]:
        """What contents add inside the flow, and around it. `skips` has seen them."""
        made = self._contents.get(code)
        if made is None:
            if len(self._contents) > self._KEPT:
                self._contents.clear()
            made = self._contents[code] = self._new_contents(code)
        return made

    def _new_contents(self, code: int) -> tuple[bytes, bytes]:
        row = self._tables.contents[code]
        flow = flow_pb2.Flow()
        put_contents(flow, row)
        skip = self.skips.of(code)
        inside = encoded(flow, skip, self._wanted)
        if not row.rest:
            return inside, b""
        flow.MergeFromString(row.rest)
        if "emitter" in skip and not flow.emitter.ByteSize():
            flow.ClearField("emitter")
        prune(flow, self._wanted)
        return flow.SerializeToString(), _around(flow)

    def messages(self, codes: Codes, replies: Replies, skips: Codes) -> list[bytes]:
        """(n,) what each row's message adds inside the flow, without the fields of its set of `skips`."""
        keys = list(zip(codes.tolist(), replies.tolist(), skips.tolist(), strict=True))
        new = list({key for key in keys if key not in self._messages})
        if len(self._messages) + len(new) > self._KEPT_MESSAGES:
            self._messages.clear()
            new = list(set(keys))
        of = np.array(new, np.int64).reshape(-1, 3)
        rows = self._tables.messages.read(of[:, 0], of[:, 1])
        for key, row in zip(new, rows, strict=True):
            flow = flow_pb2.Flow()
            put_message(flow, row)
            self._messages[key] = encoded(flow, self.skips.sets[key[2]], self._wanted)
        return [self._messages[key] for key in keys]


def _around(flow: flow_pb2.Flow) -> bytes:
    """What a response repeats of its flow: time and node name."""
    response = observer_pb2.GetFlowsResponse(node_name=flow.node_name)
    if flow.HasField("time"):
        response.time.CopyFrom(flow.time)
    return response.SerializeToString()

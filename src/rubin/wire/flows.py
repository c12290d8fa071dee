"""Columns to `GetFlowsResponse` messages, framed for gRPC: whole batches at once.

A row is five runs of bytes: a head of fixed width that numpy writes (`head`), then a shape, both sides and a
place from caches (`pieces`); rows with contents or a message have theirs as well. Nothing is done per row in Python
but to join them, and to make messages. What Hubble's message has no word for (bytes, packets, process, ...) does not
travel this way: our own programs read column frames. The emitter is {Rubin, version}; the kernel's drop reason stands
in `file.name` (see `drop`).
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from rubin.model.batch import FlowBatch, Lost
from rubin.model.tables import Tables
from rubin.wire import head, mask, pieces
from rubin.wire.head import Head
from rubin.wire.pb import flow_pb2, observer_pb2
from rubin.wire.pieces import Pieces

I64 = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint32]
Bytes = npt.NDArray[np.object_]

_COLUMNS = frozenset(head.COLUMNS) | pieces.COLUMNS
# Columns of a head by the field of a flow that they fill: 0 where a row's rest has that.
_HEADS = {
    "time_ns": "time",
    "uuid_high": "uuid",
    "uuid_low": "uuid",
    "protocol": "l4",
    "socket_cookie": "socket_cookie",
}


class FlowEncoder:
    """Encodes under one field mask; for one thread. Raises UsageError for an unknown path of the mask.

    Keep it: it remembers what it encoded, for the last two `Tables` (some tens of MB where endpoints are many).
    """

    ROWS = 4096
    """At a time: more gains nothing, and less suits a reader better."""
    _TABLES = 2

    def __init__(self, mask_paths: Sequence[str] | None, server_version: str) -> None:
        self._wanted = mask.tree(mask_paths or ())
        self._version = server_version
        self._head = Head(self._wanted)
        self._pieces: OrderedDict[int, Pieces] = OrderedDict()

    def encode(self, batch: FlowBatch) -> list[bytes]:
        """The framed messages of the rows in order, some thousand to an element. Losses are not in it."""
        made = self._pieces_of(batch.tables)
        return [self._part(batch, made, slice(at, at + self.ROWS)) for at in range(0, len(batch), self.ROWS)]

    def responses(self, batch: FlowBatch) -> Iterator[observer_pb2.GetFlowsResponse]:
        """One message per row, for few rows: made from what `encode` says."""
        for part in self.encode(batch):
            at = 0
            while at < len(part):
                end = at + 5 + int.from_bytes(part[at + 1 : at + 5], "big")
                yield observer_pb2.GetFlowsResponse.FromString(part[at + 5 : end])
                at = end

    def messages(self, batch: FlowBatch) -> Iterator[flow_pb2.Flow]:
        """One flow per row, for few rows."""
        return (response.flow for response in self.responses(batch))

    def _pieces_of(self, tables: Tables) -> Pieces:
        made = self._pieces.pop(id(tables), None) or Pieces(tables, self._wanted, self._version)
        self._pieces[id(tables)] = made  # it holds the tables, so that the id stays theirs
        if len(self._pieces) > self._TABLES:
            self._pieces.popitem(last=False)
        return made

    def _part(self, batch: FlowBatch, made: Pieces, rows: slice) -> bytes:
        columns = {name: batch[name][rows] for name in _COLUMNS}
        columns["cgroup_id"] = made.cgroups(columns["process"])
        skip = columns["skip"] = made.skips.codes(columns["contents"])
        known = (made.shapes, made.sources, made.destinations, made.places)
        codes = [one.codes(columns) for one in known]
        if skip.any():
            columns |= {name: np.where(made.skips.have(_HEADS[name], skip), 0, columns[name]) for name in _HEADS}
        lengths = np.sum([one.lengths[code] for one, code in zip(known, codes, strict=True)], axis=0)
        parts = [one.pieces[code] for one, code in zip(known, codes, strict=True)]
        inside = lengths - made.places.lengths[codes[-1]] + made.places.inside[codes[-1]]
        tails = _Tails(parts[-1], made.places.inside[codes[-1]], inside, lengths)
        rest = np.flatnonzero(columns["contents"])
        if len(rest):
            tails.put_contents(made, rest, columns["contents"][rest], codes[-1][rest])
        said = np.flatnonzero(columns["message"])
        if len(said):
            tails.put(said, made.messages(columns["message"][said], columns["is_reply"][said], skip[said]))
        heads = self._head.write(columns, lengths, inside)
        return b"".join(chain.from_iterable(zip(heads, *(part.tolist() for part in parts), strict=True)))


class _Tails:
    """The last pieces of rows, and what is put into some of them where the flow ends.

    What is put in later stands first: a summary of contents counts, then.
    """

    def __init__(self, pieces: Bytes, ends: I64, inside: I64, lengths: I64) -> None:
        self._pieces, self._ends, self._inside, self._lengths = pieces, ends, inside, lengths

    def put_contents(self, made: Pieces, rows: I64, contents: Codes, places: I64) -> None:
        """What only these rows carry. Where all rows have contents (a node's labels) most have the same."""
        pairs, which = np.unique(places << 32 | contents, return_inverse=True)
        tails, more = np.empty(len(pairs), object), np.zeros((2, len(pairs)), np.int64)
        for at, (place, code) in enumerate(zip((pairs >> 32).tolist(), (pairs & 0xFFFFFFFF).tolist(), strict=True)):
            within, after = made.contents(code)
            piece, cut = made.places.pieces[place], int(made.places.inside[place])
            tails[at] = piece[:cut] + within + piece[cut:] + after
            more[:, at] = len(within), len(after)
        self._pieces[rows] = tails[which]
        self._inside[rows] += more[0, which]
        self._lengths[rows] += more[0, which] + more[1, which]

    def put(self, rows: I64, messages: list[bytes]) -> None:
        """A message a row."""
        for row, cut, message in zip(rows.tolist(), self._ends[rows].tolist(), messages, strict=True):
            piece = self._pieces[row]
            self._pieces[row] = piece[:cut] + message + piece[cut:]
        sizes = np.fromiter(map(len, messages), np.int64, len(messages))
        self._inside[rows] += sizes
        self._lengths[rows] += sizes


def lost_response(lost: Lost) -> observer_pb2.GetFlowsResponse:
    """The message that tells a client what it misses."""
    response = observer_pb2.GetFlowsResponse(node_name=lost.node_name)
    event = response.lost_events
    event.source, event.num_events_lost = int(lost.source), lost.events  # type: ignore[assignment]
    if lost.cpu >= 0:
        event.cpu.value = lost.cpu
    for field, time_ns in ((response.time, lost.time_ns), (event.first, lost.first_ns), (event.last, lost.last_ns)):
        if time_ns:
            field.seconds, field.nanos = divmod(time_ns, 1_000_000_000)
    return response

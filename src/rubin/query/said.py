"""What was said: the ring's rows that have a message, each once, as it was asked.

An exchange is one row here, not the two that readers of the ring see: its source is who asks, its destination who is
asked, its time the answer's, and its message the whole of it. So filters judge it: `source_pod` is who asks,
`http_status_code` how it was answered, in one filter, too.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from rubin.model.batch import Array, FlowBatch
from rubin.model.codes import U64, mix
from rubin.model.exchanges import SIDES, added
from rubin.model.filter import Filters
from rubin.model.messages import Messages, MessageType
from rubin.model.points import at_socket
from rubin.model.tables import Tables
from rubin.store.ring import Ring

Mask = npt.NDArray[np.bool_]

_ENDS = ("high", "low", "port")
_NEEDED = (
    *("time_ns", "uuid_high", "uuid_low", "message", "is_reply", "traffic_direction", "trace_point", "ip_version"),
    *("protocol", "socket_cookie", "process", "link", "contents", "node_name", *sum(SIDES, ())),
)
"""Those that names are found by, and those that answers are made of: what is not copied costs nothing."""


def said(
    ring: Ring, since_ns: int | None = None, until_ns: int | None = None, filters: Filters | None = None
) -> Iterator[FlowBatch]:
    """Batches of them, oldest first, with the names that are known by now; losses stay. Both times are in the range.
    Where the ring holds both rows of an exchange, that of the answer stands for it.
    """
    whole: dict[Tables, Tables] = {}
    for view in ring.scan(since_ns=since_ns, until_ns=until_ns, as_stored=True):
        chosen = view["message"] != 0
        chosen &= view["time_ns"] >= (since_ns or 0)
        if until_ns is not None:
            chosen &= view["time_ns"] <= until_ns
        names = set(view.names()) if filters else _NEEDED
        rows = np.flatnonzero(chosen)
        asks = rows[view["is_reply"][rows] != 1]
        if len(asks):
            rows = np.setdiff1d(rows, asks[added(view.take(asks).without_lost())], assume_unique=True)
        columns = {name: view[name][rows] for name in names if name in view}
        batch = as_asked(named(ring, FlowBatch(columns, view.tables, view.lost)))
        if filters and len(batch):
            tables = whole.get(view.tables) or whole.setdefault(view.tables, _whole(view.tables))
            batch = batch.take(filters.mask(FlowBatch({name: batch[name] for name in batch.names()}, tables)))
        yield batch


def named(ring: Ring, batch: FlowBatch) -> FlowBatch:
    """The rows with the names that are known by now. They are asked for without messages, which make two of a row."""
    columns = {name: batch[name] for name in batch.names() if name != "message"}
    return ring.again(FlowBatch(columns, batch.tables, batch.lost)).with_columns(message=batch["message"])


def as_asked(batch: FlowBatch) -> FlowBatch:
    """The same, all in the direction of who asks."""
    answers = batch["is_reply"] == 1
    columns: dict[str, Array] = {"is_reply": np.zeros(len(batch), np.int8)}
    for source, destination in SIDES:
        columns[source] = np.where(answers, batch[destination], batch[source])
        columns[destination] = np.where(answers, batch[source], batch[destination])
    return batch.with_columns(**columns)


def connections(batch: FlowBatch) -> U64:
    """(n,) a key of each row's connection: its two ends, and its protocol of layer 4; the same in both directions."""
    ends = [mix(*(batch[f"{side}_{part}"] for part in _ENDS)) for side in ("source", "destination")]
    return mix(np.minimum(*ends), np.maximum(*ends), batch["protocol"])


def at_server(batch: FlowBatch) -> Mask:
    """(n,) bool: rows, in the direction of who asks, that were seen at the socket of who is asked."""
    return at_socket(batch, "destination")


class _Answered(Messages):
    """A table whose exchanges show their answers in whatever direction."""

    def __init__(self, of: Messages) -> None:
        self._of = of
        self.texts, self.attributes, self.dns = of.texts, of.attributes, of.dns

    def __len__(self) -> int:
        return len(self._of)

    def rows(self, codes: npt.NDArray[np.integer]) -> Array:
        """As they are shown with their answers."""
        found = self._of.rows(codes)
        found["type"][found["type"] == MessageType.EXCHANGE] = MessageType.RESPONSE
        return found


def _whole(tables: Tables) -> Tables:
    others = (tables.strings, tables.endpoints, tables.processes, tables.links, tables.contents)
    return Tables(*others, _Answered(tables.messages))

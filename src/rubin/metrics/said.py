"""What a batch says above layer 4, worked out once for all metrics that count it."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from rubin.model.batch import Array, FlowBatch
from rubin.model.messages import NUMBERS, ROW, Mask, Messages, MessageType, asks
from rubin.model.tables import Tables

U64 = npt.NDArray[np.uint64]

_SIDES = ("high", "low", "port", "endpoint")
_TURNED = {f"source_{part}": f"destination_{part}" for part in _SIDES}
_TURNED |= {destination: source for source, destination in _TURNED.items()}
_ENDS = ROW.fields["status"][1] if ROW.fields else 0


class Said:
    """(n,) messages: rows of the table `messages`, and the flows that have them, by column like a batch.

    `turned`: with source and destination changed.
    """

    def __init__(self, batch: FlowBatch, at: npt.NDArray[np.intp], rows: Array, turned: bool = False) -> None:
        self.rows = rows
        self._batch, self._at, self._turned = batch, at, turned
        self._columns: dict[str, Array] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> Array:
        column = self._columns.get(name)
        if column is None:
            of = _TURNED.get(name, name) if self._turned else name
            column = self._columns[name] = self._batch[of][self._at]
        return column

    @property
    def tables(self) -> Tables:
        """What the columns point into."""
        return self._batch.tables

    @property
    def messages(self) -> Messages:
        """What the rows point into."""
        return self._batch.tables.messages

    @property
    def ends(self) -> U64:
        """(n,) status, protocol, type and `failed` of each as one number, of which the highest byte is 0."""
        ends: U64 = self.rows.getfield(np.dtype("<u8"), _ENDS)
        return ends

    @property
    def asks(self) -> Mask:
        """(n,) bool: which show the request of an exchange."""
        return asks(self.rows, self["is_reply"])

    def take(self, chosen: Mask) -> "Said":
        """The messages of a mask."""
        if chosen.all():
            return self
        rows = np.flatnonzero(chosen)
        return Said(self._batch, self._at[rows], self.rows.take(rows), self._turned)

    def of(self, protocols: Sequence[str]) -> "Said":
        """Those of these protocols."""
        wanted = np.zeros(256, np.bool_)
        wanted[[NUMBERS[name] for name in protocols]] = True
        return self.take(wanted[self.rows["protocol"]])

    def turn(self) -> "Said":
        """The same with source and destination changed."""
        return Said(self._batch, self._at, self.rows, not self._turned)


class Heard:
    """Holds what was worked out for one batch."""

    def __init__(self) -> None:
        self._batch: FlowBatch | None = None
        self._known: dict[Callable[[FlowBatch], Said], Said] = {}

    def forget_batch(self) -> None:
        """Hold on to nothing of the last batch."""
        self._batch, self._known = None, {}

    def all(self, batch: FlowBatch) -> Said:
        """Every message."""
        return self._once(_all, batch)

    def last(self, batch: FlowBatch) -> Said:
        """Every message but the request of an exchange whose response is in the next row."""
        return self._once(_last, batch)

    def requests(self, batch: FlowBatch) -> Said:
        """Those that show a request."""
        return self._once(self._requests, batch)

    def responses(self, batch: FlowBatch) -> Said:
        """Those that show a response, from the server to the client."""
        return self._once(self._responses, batch)

    def answers(self, batch: FlowBatch) -> Said:
        """The same with the client as source and the server as destination."""
        return self._once(self._answers, batch)

    def _once(self, part: Callable[[FlowBatch], Said], batch: FlowBatch) -> Said:
        if self._batch is not batch:
            self._batch, self._known = batch, {}
        if part not in self._known:
            self._known[part] = part(batch)
        return self._known[part]

    def _requests(self, batch: FlowBatch) -> Said:
        said = self.all(batch)
        return said.take((said.rows["type"] == MessageType.REQUEST) | said.asks)

    def _responses(self, batch: FlowBatch) -> Said:
        said = self.last(batch)
        kinds = said.rows["type"]
        return said.take((kinds == MessageType.RESPONSE) | ((kinds == MessageType.EXCHANGE) & (said["is_reply"] == 1)))

    def _answers(self, batch: FlowBatch) -> Said:
        return self.responses(batch).turn()


def _all(batch: FlowBatch) -> Said:
    at = np.flatnonzero(batch["message"]) if "message" in batch else np.empty(0, np.intp)
    return Said(batch, at, batch.tables.messages.rows(batch["message"][at]))


def _last(batch: FlowBatch) -> Said:
    if "message" not in batch:
        return _all(batch)
    # A request that was put in before its response has the same code: it need not be looked up to be left out.
    codes, reply = batch["message"], batch["is_reply"] == 1
    asked = np.zeros(len(codes), np.bool_)
    asked[:-1] = (codes[1:] == codes[:-1]) & ~reply[:-1] & reply[1:]
    at = np.flatnonzero((codes > 0) & ~asked)
    said = Said(batch, at, batch.tables.messages.rows(codes[at]))
    answered = np.roll(asked, 1)[at]
    return said if (said.rows["type"][answered] == MessageType.EXCHANGE).all() else _all(batch)

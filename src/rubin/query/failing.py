"""What is an error: an answer that says so, and a request that nobody answers. Services, names, the map judge by this.

Our own agent tells a request by itself only once it has waited for the answer. Hubble tells every request at once, its
answer later in a flow of its own: until it is `PATIENCE_NS` old, such a request is no error yet.
"""

import numpy as np
import numpy.typing as npt

from rubin.model.batch import Array, FlowBatch
from rubin.model.codes import I64, U64, mix
from rubin.model.enums import Verdict
from rubin.model.messages import NUMBERS, Message, Messages, MessageType
from rubin.query.said import connections

F64 = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

PATIENCE_NS = 2_000_000_000
"""As long as the agent waits."""
_BAD = (Verdict.DROPPED, Verdict.ERROR, Verdict.AUDIT)
_ERRORS = 400  # HTTP's statuses from here on
_MOST_WAITING = 200_000
_WAITS = np.dtype([("key", "<u8"), ("edge", "<i8"), ("slot", "<i8"), ("patient_ns", "<i8")])


def fails(told: Array, messages: Messages) -> Mask:
    """(n,) bool: rows of `messages.ROW` that tell of an error, also where they are Hubble's, which does not say so."""
    found: Mask = told["failed"] == 1
    found |= (told["protocol"] == NUMBERS["http"]) & (told["status"] >= _ERRORS)
    names = np.flatnonzero(told["dns"])
    if len(names):
        codes, where = np.unique(told["dns"][names], return_inverse=True)
        found[names] |= np.array([one.rcode > 0 for one in messages.dns.read(codes)])[where]
    return found


def is_failed(message: Message) -> bool:
    """The same of one message."""
    status = message.protocol == "http" and message.status >= _ERRORS
    return message.failed or status or bool(message.dns and message.dns.rcode)


def went_wrong(batch: FlowBatch) -> Mask:
    """(n,) bool: dropped, refused, audited, an answer that is an error, or a request that nobody answered: only our own
    agent, which knows its socket, waits for the answer before it tells.
    """
    wrong: Mask = np.isin(batch["verdict"], _BAD)
    said, messages = np.flatnonzero(batch["message"]), batch.tables.messages
    if len(said):
        told, own = messages.rows(batch["message"][said]), batch["socket_cookie"][said] > 0
        wrong[said] |= (batch["is_reply"][said] == 1) & fails(told, messages)
        wrong[said] |= own & (told["type"] == MessageType.REQUEST)
    return wrong


def is_young(batch: FlowBatch, told: Array, now_ns: int) -> Mask:
    """(n,) bool: requests whose answer may still come."""
    waits: Mask = told["type"] == MessageType.REQUEST
    if waits.any():
        waits &= batch["time_ns"] > now_ns - _patience_ns(batch)
    return waits


def matched(waiting: U64, answers: U64) -> Mask:
    """(n,) bool: requests that were answered after all, in a row of its own. Of the like ones, which have the same
    key, the oldest are, as many as there are such answers.
    """
    found = np.zeros(len(waiting), np.bool_)
    if not len(waiting) or not len(answers):
        return found
    order = np.argsort(waiting, kind="stable")
    ordered, alone = waiting[order], np.sort(answers)
    rank = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    count = np.searchsorted(alone, ordered, "right") - np.searchsorted(alone, ordered)
    found[order[rank < count]] = True
    return found


class Waiting:
    """Requests of a picture's edges that wait for their answers. Of very many only the latest are matched with answers
    that come; the others stay what they are, unanswered.
    """

    def __init__(self) -> None:
        self._rows = np.zeros(0, _WAITS)

    def take(self, batch: FlowBatch, said: Rows, told: Array, edge: I64, slot: int) -> None:
        """More messages that count: (n,) rows of the batch, what they say, and the edges that they are of."""
        asks = np.flatnonzero(told["type"] == MessageType.REQUEST)
        answers = np.flatnonzero(told["type"] == MessageType.RESPONSE)
        if len(asks):
            asked = batch.take(said[asks]).without_lost()
            new = np.zeros(len(asks), _WAITS)
            new["key"], new["edge"], new["slot"] = _keys(asked, told[asks]), edge[asks], slot
            new["patient_ns"] = asked["time_ns"] + _patience_ns(asked)
            self._rows = np.concatenate([self._rows, new])
        if len(answers) and len(self._rows):
            settled, recent = self._rows[:-_MOST_WAITING], self._rows[-_MOST_WAITING:]
            done = matched(recent["key"], _keys(batch.take(said[answers]).without_lost(), told[answers]))
            if done.any():
                self._rows = np.concatenate([settled, recent[~done]])

    def failed(self, now_ns: int, edges: int) -> F64:
        """(edges,) how many of each edge nobody has answered in time."""
        late = self._rows["edge"][self._rows["patient_ns"] <= now_ns]
        return np.bincount(late, minlength=edges).astype(np.float64)

    def forget(self, slot: int) -> None:
        """Those of this slot and before."""
        if len(self._rows) and self._rows["slot"].min() <= slot:
            self._rows = self._rows[self._rows["slot"] > slot]

    def renumber(self, moved: I64) -> None:
        """By the edges' new numbers; -1: the edge is no more."""
        self._rows["edge"] = moved[self._rows["edge"]]
        self._rows = self._rows[self._rows["edge"] >= 0]


def _patience_ns(batch: FlowBatch) -> I64:
    """(n,) how long after its time a request by itself is an error. Only our own agent knows the socket."""
    return np.where(batch["socket_cookie"] > 0, 0, PATIENCE_NS)


def _keys(batch: FlowBatch, told: Array) -> U64:
    return mix(connections(batch), told["protocol"])

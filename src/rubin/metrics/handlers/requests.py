"""`rubin_requests_total`, `rubin_request_errors_total`, `rubin_request_duration_seconds`: of every protocol."""

import numpy as np

from rubin.metrics.durations import OF_REQUESTS
from rubin.metrics.handlers.setup import Setup
from rubin.metrics.rcodes import RCODES
from rubin.metrics.spoken import Counted, Durations, Timed
from rubin.metrics.texts import dns_record, first_word, word
from rubin.metrics.vocabulary import Vocabulary
from rubin.model.batch import FlowBatch
from rubin.model.messages import PROTOCOLS, Messages, MessageType

_UNANSWERED = 1  # what tells a row's words from others
_COUNTERS = (
    Counted(
        "rubin_requests_total", "Requests, by how they were answered", ("protocol", "method", "status", "reporter")
    ),
    Counted(
        "rubin_request_errors_total",
        "Requests that failed or were not answered",
        ("protocol", "method", "error", "reporter"),
        only="error",
    ),
)
_DURATIONS = Durations(
    "rubin_request_duration_seconds",
    "Time from a request's first byte to the first byte of its answer",
    ("protocol", "method", "reporter"),
    OF_REQUESTS,
    unknown_is_zero=False,
)


class Requests:
    """Counts requests when they are answered, and errors among them; source is the client.

    A request that nobody has answered after some seconds has the status "none" and the error "no answer"; one that is
    answered later still counts again, with its status.
    """

    def __init__(self, setup: Setup) -> None:
        labels = ("protocol", "method", "status", "error")
        vocabulary = Vocabulary(labels, ("method", "error", "dns"), _words, setup.room.words)
        self._heard = setup.heard
        self._requests = Timed(_COUNTERS, _DURATIONS, vocabulary, setup.contexts, setup.room, own_last=False)
        self.series = (self._requests,)

    def observe(self, batch: FlowBatch) -> None:
        """Count a batch."""
        said = self._heard.last(batch)
        # That there is no answer is known of sockets here; flows of Hubble's tell each request as a row of its own.
        alone = said.take(said.rows["type"] == MessageType.REQUEST)
        self._requests.hear(alone.take(alone["socket_cookie"] > 0), _UNANSWERED)
        self._requests.hear(self._heard.answers(batch))


def _words(row: np.void, messages: Messages, salt: int) -> tuple[str, ...]:
    protocol, method = PROTOCOLS[row["protocol"]], word(row, "method", messages)
    if protocol == "dns" and not method:
        method = ",".join(dns_record(row, messages).qtypes)
    if salt == _UNANSWERED:
        return protocol, method, "none", "no answer"
    error, status = first_word(row, "error", messages), _status(row, messages)
    return protocol, method, status, (error or status) if row["failed"] else ""


def _status(row: np.void, messages: Messages) -> str:
    """The protocol's own: a number, or a name where it has names; "ok" and the error where it has neither."""
    protocol, status, failed = PROTOCOLS[row["protocol"]], int(row["status"]), bool(row["failed"])
    error = first_word(row, "error", messages)
    if protocol == "dns":
        code = status or dns_record(row, messages).rcode
        return RCODES.get(code, str(code))
    if protocol == "grpc" and (error or not failed):
        return error or "OK"
    if status:
        return str(status)
    if protocol == "http":
        return error or "none"
    return (error or "error") if failed else "ok"

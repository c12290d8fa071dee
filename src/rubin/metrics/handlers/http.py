"""`hubble_http_requests_total`, `hubble_http_responses_total`, `hubble_http_request_duration_seconds`.

By either `http` or `httpV2`, which exclude each other.
"""

import numpy as np

from rubin.metrics.durations import OF_HUBBLE
from rubin.metrics.handlers.setup import Setup
from rubin.metrics.spoken import Counted, Durations, Spoken, Timed
from rubin.metrics.texts import word
from rubin.metrics.vocabulary import Vocabulary
from rubin.model.batch import FlowBatch
from rubin.model.messages import NUMBERS, Messages

_PROTOCOLS = ("http", "grpc")
_DURATIONS = Durations(
    "hubble_http_request_duration_seconds",
    "Quantiles of HTTP request duration in seconds",
    ("method", "reporter"),
    OF_HUBBLE,
    unknown_is_zero=True,
)
_REQUESTS = (Counted("hubble_http_requests_total", "Count of HTTP requests"),)


class HTTP:
    """Counts requests and responses, each with its flow's own source and destination. Option: `exemplars`."""

    def __init__(self, setup: Setup) -> None:
        self._heard, exemplars = setup.heard, "exemplars" in setup.options
        asked = Vocabulary(("method", "protocol"), ("method", "version"), _request_words, setup.room.words)
        answered = Vocabulary(("method", "protocol", "status"), ("method", "version"), _words, setup.room.words)
        responses = (Counted("hubble_http_responses_total", "Count of HTTP responses"),)
        self._requests = Spoken(_REQUESTS, asked, setup.contexts, setup.room, exemplars=exemplars)
        self._responses = Timed(responses, _DURATIONS, answered, setup.contexts, setup.room, exemplars=exemplars)
        self.series = (self._requests, self._responses)

    def observe(self, batch: FlowBatch) -> None:
        """Count a batch."""
        self._requests.hear(self._heard.requests(batch).of(_PROTOCOLS))
        self._responses.hear(self._heard.responses(batch).of(_PROTOCOLS))


class HTTPv2:
    """Counts requests when they are answered; source is the client. Option: `exemplars`."""

    def __init__(self, setup: Setup) -> None:
        vocabulary = Vocabulary(("method", "protocol", "status"), ("method", "version"), _words, setup.room.words)
        exemplars = "exemplars" in setup.options
        self._heard = setup.heard
        self._requests = Timed(_REQUESTS, _DURATIONS, vocabulary, setup.contexts, setup.room, exemplars=exemplars)
        self.series = (self._requests,)

    def observe(self, batch: FlowBatch) -> None:
        """Count a batch."""
        self._requests.hear(self._heard.answers(batch).of(_PROTOCOLS))


def _request_words(row: np.void, messages: Messages, _: int = 0) -> tuple[str, ...]:
    version = word(row, "version", messages) or ("HTTP/2" if row["protocol"] == NUMBERS["grpc"] else "")
    return word(row, "method", messages), version


def _words(row: np.void, messages: Messages, _: int = 0) -> tuple[str, ...]:
    return *_request_words(row, messages), str(max(int(row["status"]), 0))

"""`hubble_kafka_requests_total` and `hubble_kafka_request_duration_seconds`, as Hubble had them up to 1.19."""

import numpy as np

from rubin.metrics.durations import OF_HUBBLE
from rubin.metrics.handlers.setup import Setup
from rubin.metrics.spoken import Counted, Durations, Timed
from rubin.metrics.texts import name, word
from rubin.metrics.vocabulary import Vocabulary
from rubin.model.batch import FlowBatch
from rubin.model.messages import Messages, MessageType

_DURATIONS = Durations(
    "hubble_kafka_request_duration_seconds",
    "Quantiles of Kafka request duration in seconds",
    ("topic", "api_key", "reporter"),
    OF_HUBBLE,
    unknown_is_zero=False,
)


class Kafka:
    """Counts requests: of Hubble's flows in the request's, of ours when they are answered. Source is the client."""

    def __init__(self, setup: Setup) -> None:
        labels = ("topic", "api_key", "error_code")
        vocabulary = Vocabulary(labels, ("target", "method"), _words, setup.room.words)
        counters = (Counted("hubble_kafka_requests_total", "Count of Kafka requests"),)
        self._heard = setup.heard
        self._requests = Timed(counters, _DURATIONS, vocabulary, setup.contexts, setup.room)
        self.series = (self._requests,)

    def observe(self, batch: FlowBatch) -> None:
        """Count a batch."""
        answers = self._heard.answers(batch).of(("kafka",))
        requests = self._heard.requests(batch).of(("kafka",))
        self._requests.hear(answers.take(answers.rows["type"] == MessageType.EXCHANGE))
        self._requests.hear(requests.take(requests.rows["type"] == MessageType.REQUEST))


def _words(row: np.void, messages: Messages, _: int) -> tuple[str, ...]:
    return name(row, "target", messages), word(row, "method", messages), str(int(row["status"]))

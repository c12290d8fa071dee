"""`hubble_dns_queries_total`, `hubble_dns_responses_total`, `hubble_dns_response_types_total`."""

from collections.abc import Callable
from functools import partial

import numpy as np

from rubin.metrics.handlers.setup import Setup
from rubin.metrics.rcodes import RCODES
from rubin.metrics.spoken import Counted, Spoken
from rubin.metrics.texts import dns_record
from rubin.metrics.vocabulary import Vocabulary
from rubin.model import messages
from rubin.model.batch import FlowBatch
from rubin.model.enums import Verdict
from rubin.model.lookup import Lookup

_HELP = "Number of DNS queries observed"  # Hubble's, of all three
_MOST_TYPES = 256  # of records in an answer
_DENIED, _ASKS = 1, 2  # what tells a query's words from others of the same row


class DNS:
    """Counts queries and responses by code, types and addresses, and each type of record in a response.

    Options: `query` adds the name asked for, `ignoreAAAA` leaves out what asks for nothing but AAAA.
    """

    def __init__(self, setup: Setup) -> None:
        self._heard, self._query, self._no_aaaa = setup.heard, "query" in setup.options, "ignoreaaaa" in setup.options
        labels = ("rcode", "qtypes", "ips_returned")
        self._queries = self._counter(setup, "hubble_dns_queries_total", labels, _asked)
        self._responses = self._counter(setup, "hubble_dns_responses_total", labels, _answered)
        self._types = self._counter(setup, "hubble_dns_response_types_total", ("type", "qtypes"), _typed)
        self._types_of: Lookup[messages.DNS] = Lookup("messages.dns", lambda record: len(record.rrtypes))
        self.series = (self._queries, self._responses, self._types)

    def _counter(self, setup: Setup, name: str, labels: tuple[str, ...], say: "_Say") -> Spoken:
        named = (*labels, "query")[: len(labels) + self._query]
        vocabulary = Vocabulary(named, ("dns", "target"), partial(self._words, say), setup.room.words, False)
        return Spoken((Counted(name, _HELP),), vocabulary, setup.contexts, setup.room)

    def observe(self, batch: FlowBatch) -> None:
        """Count a batch."""
        said = self._heard.all(batch).of(("dns",))
        if not len(said):
            return
        denied = said["verdict"] == Verdict.DROPPED
        asked = denied | (said["is_reply"] != 1)
        queries, responses = said.take(asked), said.take(~asked)
        self._queries.hear(queries, (denied[asked] * _DENIED + queries.asks * _ASKS).astype(np.int64))
        self._responses.hear(responses)
        types = self._types_of(said.tables)[responses.rows["dns"]]
        for place in range(min(int(types.max(initial=0)), _MOST_TYPES)):
            self._types.hear(responses.take(types > place), place)

    def _words(self, say: "_Say", row: np.void, said: messages.Messages, salt: int) -> tuple[str, ...] | None:
        record = dns_record(row, said)
        if self._no_aaaa and record.qtypes == ("AAAA",):
            return None
        words = say(record, salt)
        return (*words, record.query) if words and self._query else words


_Say = Callable[[messages.DNS, int], tuple[str, ...] | None]


def _asked(record: messages.DNS, salt: int) -> tuple[str, ...]:
    addresses = 0 if salt & _ASKS else len(record.ips)
    return "Policy denied" if salt & _DENIED else "", ",".join(record.qtypes), str(addresses)


def _answered(record: messages.DNS, _: int) -> tuple[str, ...]:
    return RCODES.get(record.rcode, ""), ",".join(record.qtypes), str(len(record.ips))


def _typed(record: messages.DNS, place: int) -> tuple[str, ...] | None:
    """Of one of the types; None where there are no more."""
    return (record.rrtypes[place], ",".join(record.qtypes)) if place < len(record.rrtypes) else None

"""What was said on a connection above layer 4, as far as it decides how the connection fared."""

from typing import NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt

from rubin.model.batch import Array, FlowBatch
from rubin.model.messages import NUMBERS, Message

Mask = npt.NDArray[np.bool_]

_ERRORS = 400  # HTTP's statuses from here on


class Talk(NamedTuple):
    """What is held of what was said on a connection: when the last answer came (0: none), how many answers were errors,
    and the UUID of the last of those.
    """

    replied_ns: int = 0
    failures: int = 0
    failure: str = ""


def heard(talk: Talk, view: FlowBatch, answers: npt.NDArray[np.intp]) -> Talk:
    """With these answers."""
    if not len(answers):
        return talk
    told = view.tables.messages.rows(view["message"][answers])
    failed = answers[fails(told)]
    last = uuid_of(view, int(failed[-1])) if len(failed) else talk.failure
    return Talk(max(talk.replied_ns, int(view["time_ns"][answers].max())), talk.failures + len(failed), last)


def fails(told: Array) -> Mask:
    """(n,) bool: rows of `messages.ROW` that tell of an error, as `is_failed`; of Hubble's DNS it is not known."""
    http = told["protocol"] == NUMBERS["http"]
    found: Mask = (told["failed"] == 1) | (http & (told["status"] >= _ERRORS))
    return found


def is_failed(message: Message) -> bool:
    """Whether the answer is an error, also where the flow is Hubble's, which does not say so."""
    status = message.protocol == "http" and message.status >= _ERRORS
    return message.failed or status or bool(message.dns and message.dns.rcode)


def uuid_of(batch: FlowBatch, row: int = 0) -> str:
    """The UUID of a row; "" where it has none."""
    high, low = int(batch["uuid_high"][row]), int(batch["uuid_low"][row])
    return str(UUID(int=high << 64 | low)) if high or low else ""

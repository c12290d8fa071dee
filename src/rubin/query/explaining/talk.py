"""What was said on a connection above layer 4, as far as it decides how the connection fared."""

from typing import NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt

from rubin.model.batch import FlowBatch
from rubin.query.failing import fails


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
    messages = view.tables.messages
    failed = answers[fails(messages.rows(view["message"][answers]), messages)]
    last = uuid_of(view, int(failed[-1])) if len(failed) else talk.failure
    return Talk(max(talk.replied_ns, int(view["time_ns"][answers].max())), talk.failures + len(failed), last)


def uuid_of(batch: FlowBatch, row: int = 0) -> str:
    """The UUID of a row; "" where it has none."""
    high, low = int(batch["uuid_high"][row]), int(batch["uuid_low"][row])
    return str(UUID(int=high << 64 | low)) if high or low else ""

"""Which of the answers above layer 4 are good, and which are the same error."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.model.batch import FlowBatch
from rubin.model.messages import NUMBERS, MessageType
from rubin.query.explaining.case import Case, Mask
from rubin.query.failing import fails


class Judged(NamedTuple):
    """(n,) bool each."""

    good: Mask
    same: Mask


def judged(case: Case, view: FlowBatch, rows: npt.NDArray[np.intp]) -> Judged:
    """Of rows from the server: those with a good answer, and those with the error that the flow tells of. Only what was
    seen at the same end as the flow: what both ends saw counts once.
    """
    message, way = case.message, case.flow["traffic_direction"][0]
    made = Judged(np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_))
    at = np.flatnonzero((view["message"][rows] != 0) & (view["traffic_direction"][rows] == way))
    if not len(at):
        return made
    messages = view.tables.messages
    told = messages.rows(view["message"][rows[at]])
    answered, bad = told["type"] != MessageType.REQUEST, fails(told, messages)
    made.good[at] = answered & ~bad
    same = answered & bad & (told["protocol"] == NUMBERS.get(message.protocol, 0)) & (told["status"] == message.status)
    codes = np.unique(told["error"][same])
    errors = zip(codes.tolist(), messages.texts.read(codes), strict=True)
    meant = [code for code, error in errors if error == message.error]
    made.same[at] = same & np.isin(told["error"], meant)
    return made

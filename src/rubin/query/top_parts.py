"""What one node tells of its requests to who puts many nodes' together: connections that it saw, rows that add up.

An exchange is seen at its client's node and at its server's. Which of the connections that a node saw at the client's
socket another node saw at the server's is found by asking for `connections` first; then each node leaves these out.
"""

from typing import NamedTuple

import numpy as np

from rubin.model.codes import U64
from rubin.query.gathered import links
from rubin.query.latencies import Counts
from rubin.query.question import MOST_ROWS, Question
from rubin.query.top import I64, MEASURES, Answer, Groups, Words, looked
from rubin.store.ring import Ring


class Connections(NamedTuple):
    """Keys of connections with exchanges, as `gathered.links`, sorted: those seen at the server's socket, and those
    seen at the client's only. `left_out`: how many more there are.
    """

    inbound: U64
    outbound: U64
    left_out: int


def connections(ring: Ring, question: Question, now_ns: int, most: int) -> Connections:
    """At most so many of either kind. Raises UsageError."""
    found = looked(ring, question, now_ns)
    outside = found.seen["inside"] == 0
    inbound = np.unique(links(found.seen[outside & (found.seen["inbound"] == 1)]))
    outbound = np.unique(links(found.seen[outside & (found.seen["inbound"] == 0) & ~found.twice]))
    left_out = sum(max(0, len(keys) - most) for keys in (inbound, outbound))
    # The smallest keys: where two nodes leave some out, they leave out the same ones.
    return Connections(inbound[:most], outbound[:most], left_out)


def part(ring: Ring, question: Question, now_ns: int, elsewhere: U64) -> Answer:
    """As `top.top` of this ring without what was seen `elsewhere`, to be put together by `top_merged.merged`.

    `latencies` are `Counts.text`, by the rows' places. `left_out`: how many `rows` did not fit into `question.number`,
    and `most`, the greatest that one of them has of what they are in order by. Raises UsageError.
    """
    found = looked(ring, question, now_ns, elsewhere)
    groups = Groups(found.once(question.by), question.by)
    order = groups.order(question.sort)
    most = min(question.number or MOST_ROWS, MOST_ROWS)
    chosen, left = order[:most], order[most : most + 1]
    rows, words = groups.rows(chosen, found.gathered, found.duration_ns), Words(groups, chosen, found.gathered)
    for row, number in zip(rows, chosen.tolist(), strict=True):
        row |= words.more(number)
    measure = int(groups.numbers[MEASURES[question.sort]][left[0]]) if len(left) else 0
    left_out = {"rows": len(order) - len(chosen), "most": measure}
    return found.summary() | {"rows": rows, "latencies": _latencies(groups, chosen).text(), "left_out": left_out}


def _latencies(groups: Groups, chosen: I64) -> Counts:
    """By the place of the group among those that are chosen."""
    place = np.full(len(groups.first), -1, np.int64)
    place[chosen] = np.arange(len(chosen))
    rows = np.flatnonzero((groups.seen["latency_ns"] > 0) & (place[groups.group] >= 0))
    return Counts.of(place[groups.group[rows]], groups.seen["latency_ns"][rows])

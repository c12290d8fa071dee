"""Who a process was, by the flows of its sockets."""

import numpy as np
import pytest

from rubin.model.exchanges import expanded
from rubin.model.messages import Message, MessageType
from rubin.model.tables import Endpoint, Process, Tables
from rubin.query.owner import Owner, owner
from rubin.store.ring import Ring
from tests.flows import flows

FIRST, SECOND = Process(7, "curl", executable="/usr/bin/curl"), Process(7, "sh")
WEB, HOST = Endpoint(pod_name="web"), Endpoint(pod_name="host")


def ring(*rows):
    """A ring of (time, process, its endpoint, point), the first in tables of its own."""
    made, tables = Ring(), Tables()
    for number, (time_ns, process, endpoint, point) in enumerate(rows):
        tables = Tables() if number == 1 else tables
        code = np.array([tables.processes.code(process)], np.uint32)
        ends = np.array([tables.endpoints.code(endpoint)], np.uint32), np.array([0], np.uint32)
        source, destination = ends if point == "TO_STACK" else reversed(ends)
        batch = flows(f"src dst trace_point\n10.0.0.1:1 10.0.0.2:2 {point}", tables)
        made.append(
            batch.with_columns(
                process=code,
                time_ns=np.array([time_ns]),
                source_endpoint=source,
                destination_endpoint=destination,
            )
        )
    return made


ROWS = ((10, FIRST, WEB, "TO_STACK"), (30, SECOND, HOST, "TO_ENDPOINT"), (20, FIRST, WEB, "TO_ENDPOINT"))


@pytest.mark.parametrize(
    ("time_ns", "found"),
    [
        (9, None),
        (10, Owner(FIRST, WEB, 10)),
        (19, Owner(FIRST, WEB, 10)),
        (20, Owner(FIRST, WEB, 20)),
        (99, Owner(SECOND, HOST, 30)),
    ],
)
def test_it_is_the_last_that_had_the_number_until_then(time_ns, found):
    assert owner(ring(*ROWS), 7, time_ns) == found


def test_the_owner_of_an_answer_is_the_one_that_asked():
    tables = Tables()
    ends = [tables.endpoints.code(one) for one in (HOST, WEB)]
    said = tables.messages.code(Message(MessageType.EXCHANGE, "http", "GET", latency_ns=5))
    codes = {"process": tables.processes.code(FIRST), "source_endpoint": ends[0], "destination_endpoint": ends[1]}
    table = "src dst trace_point is_reply traffic_direction\n10.0.0.2:80 10.0.0.1:1 UNKNOWN_POINT 1 EGRESS"
    batch = flows(table, tables).with_columns(message=np.array([said]), time_ns=np.array([10]))
    made = Ring(again=expanded)
    made.append(batch.with_columns(**{name: np.array([code], np.uint32) for name, code in codes.items()}))
    assert owner(made, 7, 10) == Owner(FIRST, WEB, 10)


def test_nobody_had_a_number_that_no_flow_has():
    assert owner(ring(*ROWS), 8, 99) is None
    assert owner(Ring(), 7, 99) is None

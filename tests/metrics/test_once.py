"""Bytes are counted once a packet, wherever it was seen."""

import pytest

from rubin.metrics.sink import Metrics, Settings
from tests.flows import flows
from tests.metrics.pages import samples


def total(*batches, name="rubin_bytes_total"):
    metrics = Metrics(Settings(metrics=""))
    for batch in batches:
        metrics.observe(batch)
    return sum(samples(metrics.exposition(), name).values())


LOCAL_TO_LOCAL = """
    src         dst          trace_point    bytes  packets  socket_cookie
    10.0.0.1:9  10.0.0.2:80  TO_STACK       100    1        1
    10.0.0.1:9  10.0.0.2:80  TO_ENDPOINT    100    1        2
    10.0.0.2:80 10.0.0.1:9   TO_STACK       900    2        2
    10.0.0.2:80 10.0.0.1:9   TO_ENDPOINT    900    2        1
"""
REMOTE = """
    src          dst          trace_point    bytes  packets  socket_cookie
    10.0.0.1:9   192.0.2.9:80 TO_STACK       100    1        1
    192.0.2.9:80 10.0.0.1:9   TO_ENDPOINT    900    3        1
"""
REMOTE_AT_BOTH_VANTAGES = """
    src          dst          trace_point    bytes  packets  socket_cookie
    10.0.0.1:9   192.0.2.9:80 TO_STACK       100    1        1
    10.0.0.1:9   192.0.2.9:80 FROM_ENDPOINT  100    1        0
    10.0.0.1:9   192.0.2.9:80 TO_NETWORK     100    1        0
    192.0.2.9:80 10.0.0.1:9   FROM_NETWORK   900    3        0
    192.0.2.9:80 10.0.0.1:9   TO_ENDPOINT    900    3        0
    192.0.2.9:80 10.0.0.1:9   TO_ENDPOINT    900    3        1
"""
HOST_TO_POD_AT_BOTH_VANTAGES = """
    src          dst          trace_point    bytes  packets  socket_cookie
    192.0.2.1:9  10.0.0.1:80  TO_STACK       1000   4        1
    192.0.2.1:9  10.0.0.1:80  TO_ENDPOINT    1000   4        1
    192.0.2.1:9  10.0.0.1:80  TO_ENDPOINT    1000   4        2
"""
FORWARDED_AT_INTERFACES = """
    src          dst          trace_point    bytes  packets  socket_cookie
    10.0.0.1:9   192.0.2.9:80 FROM_ENDPOINT  100    1        0
    10.0.0.1:9   192.0.2.9:80 TO_NETWORK     100    1        0
    192.0.2.9:80 10.0.0.1:9   FROM_NETWORK   900    3        0
    192.0.2.9:80 10.0.0.1:9   TO_ENDPOINT    900    3        0
"""
DROPPED = """
    src         dst          trace_point    verdict    bytes  packets  socket_cookie
    10.0.0.1:9  10.0.0.2:80  UNKNOWN_POINT  DROPPED    100    1        1
    10.0.0.1:9  10.0.0.2:80  TO_STACK       FORWARDED  50     1        1
    10.0.0.1:9  10.0.0.2:80  TO_STACK       FORWARDED  0      0        1
"""
CAPTURED = """
    src         dst          trace_point   bytes  packets
    10.0.0.1:9  10.0.0.2:80  FROM_NETWORK  100    1
    10.0.0.2:80 10.0.0.1:9   FROM_NETWORK  900    3
"""


@pytest.mark.parametrize(
    ("table", "bytes_", "packets"),
    [
        (LOCAL_TO_LOCAL, 1000, 3),
        (REMOTE, 1000, 4),
        (REMOTE_AT_BOTH_VANTAGES, 1000, 4),
        (HOST_TO_POD_AT_BOTH_VANTAGES, 1000, 4),
        (FORWARDED_AT_INTERFACES, 1000, 4),
        (CAPTURED, 1000, 4),
        (DROPPED, 50, 1),
    ],
)
def test_every_packet_counts_once(table, bytes_, packets):
    assert total(flows(table)) == bytes_
    assert total(flows(table), name="rubin_packets_total") == packets


def test_a_sender_is_known_in_later_batches_too():
    rows = LOCAL_TO_LOCAL.strip().splitlines()
    head, *rest = rows
    assert total(*(flows(f"{head}\n{row}") for row in rest)) == 1000

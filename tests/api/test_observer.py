"""GetFlows and its neighbours, asked by a client that knows nothing of us."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from rubin.model.batch import FlowBatch, Lost
from rubin.model.enums import LostSource
from rubin.model.tables import Tables
from rubin.store.ring import Ring
from rubin.store.segment import ROWS
from rubin.wire.pb import flow_pb2
from rubin.wire.pb import observer_pb2 as pb
from tests.api.drain import Drain
from tests.api.serving import Foreign, serving
from tests.flows import flows, generate

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    """Ten flows: source port n at second n, the odd ones dropped, and a loss before number 4."""
    ring = Ring(1_000)
    batch = flows(
        "src          dst          from      to       verdict    time_ns       drop_reason\n"
        + "\n".join(
            f"10.0.0.1:{n} 10.0.0.2:80  shop/cart  shop/db  {'DROPPED' if n % 2 else 'FORWARDED'}  {n * SECOND}  "
            f"{133 if n % 2 else 0}"
            for n in range(1, 11)
        )
    )
    lost = Lost(LostSource.PERF_EVENT_RING_BUFFER, 7, 4 * SECOND - 1, cpu=1, node_name="node-1")
    ring.append(batch.take(slice(0, 3)))
    ring.append(batch.take(slice(3, 10)).with_lost((lost,)))
    with serving(ring, tmp_path_factory.mktemp("api")) as server, Foreign(server.address) as foreign:
        yield foreign


def _ports(responses: Any) -> list[int]:
    """The source ports of the flows; a loss is -1."""
    return [response.flow.l4.TCP.source_port if response.HasField("flow") else -1 for response in responses]


@pytest.mark.parametrize(
    ("asked", "ports"),
    [
        ({}, [1, 2, 3, -1, 4, 5, 6, 7, 8, 9, 10]),
        ({"number": 3}, [8, 9, 10]),
        ({"number": 99}, [1, 2, 3, -1, 4, 5, 6, 7, 8, 9, 10]),
        ({"number": 2**64 - 1}, [1, 2, 3, -1, 4, 5, 6, 7, 8, 9, 10]),
        ({"number": 3, "first": True}, [1, 2, 3]),
        ({"number": 4, "first": True}, [1, 2, 3, -1, 4]),
        ({"first": True}, [1, 2, 3, -1, 4, 5, 6, 7, 8, 9, 10]),
        ({"since": Timestamp(seconds=5)}, [-1, 5, 6, 7, 8, 9, 10]),
        ({"until": Timestamp(seconds=2)}, [1, 2, -1]),
        ({"since": Timestamp(seconds=5), "until": Timestamp(seconds=6)}, [-1, 5, 6]),
        ({"since": Timestamp(seconds=2), "number": 2, "first": True}, [2, 3]),
        ({"since": Timestamp(seconds=2), "number": 2}, [9, 10]),
        ({"until": Timestamp(seconds=8), "number": 2}, [7, 8]),
        ({"since": Timestamp(seconds=11)}, [-1]),
        ({"since": Timestamp(seconds=-(2**60))}, [1, 2, 3, -1, 4, 5, 6, 7, 8, 9, 10]),
        ({"whitelist": [flow_pb2.FlowFilter(verdict=[flow_pb2.DROPPED])]}, [1, 3, -1, 5, 7, 9]),
        ({"whitelist": [flow_pb2.FlowFilter(verdict=[flow_pb2.DROPPED])], "number": 2}, [7, 9]),
        ({"whitelist": [flow_pb2.FlowFilter(verdict=[flow_pb2.DROPPED])], "number": 3, "first": True}, [1, 3, -1, 5]),
        ({"blacklist": [flow_pb2.FlowFilter(source_port=["4", "6"])], "number": 5}, [5, 7, 8, 9, 10]),
        (
            {
                "whitelist": [flow_pb2.FlowFilter(verdict=[flow_pb2.DROPPED])],
                "blacklist": [flow_pb2.FlowFilter(source_port=["9"])],
                "number": 2,
            },
            [5, 7],
        ),
        (
            {
                "whitelist": [
                    flow_pb2.FlowFilter(
                        experimental=flow_pb2.FlowFilter.Experimental(
                            cel_expression=["_flow.l4.TCP.source_port > uint(8)"]
                        )
                    )
                ],
            },
            [-1, 9, 10],
        ),
    ],
)
def test_selectors_choose_as_hubble_documents(numbered: Foreign, asked: dict[str, Any], ports: list[int]):
    assert _ports(numbered.GetFlows(**asked)) == ports


def test_a_loss_says_where_how_many_and_when(numbered: Foreign):
    (loss,) = [response for response in numbered.GetFlows() if response.HasField("lost_events")]
    assert loss.lost_events.source == flow_pb2.PERF_EVENT_RING_BUFFER
    assert (loss.lost_events.num_events_lost, loss.lost_events.cpu.value) == (7, 1)
    assert (loss.node_name, loss.time.ToNanoseconds()) == ("node-1", 4 * SECOND - 1)


@pytest.mark.parametrize(
    ("asked", "code", "says"),
    [
        ({"first": True, "follow": True}, grpc.StatusCode.INVALID_ARGUMENT, "first cannot be specified with follow"),
        ({"field_mask": FieldMask(paths=["nonsense"])}, grpc.StatusCode.INVALID_ARGUMENT, "invalid fieldmask"),
        ({"whitelist": [flow_pb2.FlowFilter(source_ip=["1.2.3"])]}, grpc.StatusCode.INVALID_ARGUMENT, "1.2.3"),
        ({"whitelist": [flow_pb2.FlowFilter(source_pod=[""])]}, grpc.StatusCode.INVALID_ARGUMENT, "pod"),
    ],
)
def test_a_bad_request_is_refused_in_words(numbered: Foreign, asked: dict[str, Any], code: Any, says: str):
    with pytest.raises(grpc.RpcError) as refused:
        list(numbered.GetFlows(**asked))
    assert refused.value.code() is code
    assert says in (refused.value.details() or "")


def test_a_field_mask_leaves_only_what_it_names(numbered: Foreign):
    mask = FieldMask(paths=["time", "source.pod_name", "l4.TCP.destination_port", "node_name"])
    (response,) = numbered.GetFlows(number=1, field_mask=mask)
    expected = flow_pb2.Flow(time=Timestamp(seconds=10), source=flow_pb2.Endpoint(pod_name="cart"))
    expected.l4.TCP.destination_port = 80
    assert response.flow == expected


def test_every_answer_names_the_server_version(numbered: Foreign):
    stream = numbered.GetFlows(number=1)
    assert ("hubble-server-version", "0.1.0") in [(one.key, one.value) for one in stream.initial_metadata()]
    stream.cancel()


def test_status_counts_what_is_held_and_seen(numbered: Foreign):
    status = numbered.ServerStatus()
    assert (status.num_flows, status.max_flows, status.seen_flows) == (10, 1_000, 10)
    assert status.version.startswith("rubin v")
    assert status.uptime_ns > 0
    assert not status.HasField("num_connected_nodes")


def test_namespaces_are_those_of_both_sides_sorted(tmp_path: Path):
    ring = Ring(100)
    with serving(ring, tmp_path) as server, Foreign(server.address) as foreign:
        assert not foreign.GetNamespaces().namespaces
        ring.append(
            flows("""
            src         dst          from     to
            10.0.0.1:1  10.0.0.2:80  shop/a   b/x
            10.0.0.1:1  10.0.0.3:80  shop/a   -
            10.0.0.1:1  10.0.0.3:80  zoo/a    a/q
            """)
        )
        assert [one.namespace for one in foreign.GetNamespaces().namespaces] == ["a", "b", "shop", "zoo"]


def test_what_a_node_does_not_do_is_unimplemented(numbered: Foreign):
    with pytest.raises(grpc.RpcError) as refused:
        numbered.GetNodes()
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_the_agent_says_when_it_started(numbered: Foreign):
    (event,) = numbered.GetAgentEvents()
    assert event.agent_event.type == flow_pb2.AGENT_STARTED
    assert event.agent_event.agent_start.time.ToNanoseconds() <= event.time.ToNanoseconds() <= time.time_ns()
    assert list(numbered.GetAgentEvents(number=5)) == [event]
    assert list(numbered.GetAgentEvents(since=Timestamp(seconds=2**33))) == []
    assert list(numbered.GetDebugEvents()) == []


def test_a_follower_gets_the_newest_and_then_what_comes(tmp_path: Path):
    ring, tables = Ring(10_000), Tables()
    ring.append(_numbered(0, 100, tables))
    with serving(ring, tmp_path) as server, Foreign(server.address) as foreign:
        stream = foreign.GetFlows(number=2, follow=True)
        assert [next(stream).flow.socket_cookie for _ in range(2)] == [98, 99]
        for start in (100, 110):
            ring.append(_numbered(start, 10, tables))
            assert [next(stream).flow.socket_cookie for _ in range(10)] == list(range(start, start + 10))
        ring.note_lost(Lost(LostSource.OBSERVER_EVENTS_QUEUE, 5, 1))
        assert next(stream).lost_events.num_events_lost == 5
        stream.cancel()


def test_a_flow_is_visible_at_once(tmp_path: Path):
    ring, tables = Ring(10_000), Tables()
    with serving(ring, tmp_path) as server, Foreign(server.address) as foreign:
        stream = foreign.GetFlows(follow=True)
        threading.Thread(target=_append_until_read, args=(ring, tables, stream)).start()
        next(stream)  # the server follows by now

        def middle_s() -> float:
            delays = []
            for _ in range(10):
                start = time.monotonic()
                ring.append(_numbered(1_000, 1, tables))
                while next(stream).flow.socket_cookie != 1_000:
                    pass
                delays.append(time.monotonic() - start)
            return float(np.median(delays))

        assert any(middle_s() < 0.1 for _ in range(3))  # what else the machine does may make all of some turns late
        stream.cancel()


def _append_until_read(ring: Ring, tables: Tables, stream: Any) -> None:
    """A follower without a number gets only what comes after it: append until it got something."""
    for number in range(100):
        ring.append(_numbered(number, 1, tables))
        if not stream.is_active():
            return
        time.sleep(0.01)


def test_following_ends_at_until(tmp_path: Path):
    ring, tables = Ring(10_000), Tables()
    ring.append(_numbered(0, 3, tables))
    with serving(ring, tmp_path) as server, Foreign(server.address) as foreign:
        until = Timestamp()
        until.FromNanoseconds(time.time_ns() + SECOND // 3)
        start = time.monotonic()
        assert len(list(foreign.GetFlows(number=3, follow=True, until=until))) == 3
        assert 0.2 < time.monotonic() - start < 5


def test_a_million_flows_come_whole_and_in_order(tmp_path: Path):
    ring, tables = Ring(1_000_000), Tables()
    for start in range(0, 1_050_000, 50_000):
        ring.append(_numbered(start, 50_000, tables))
    request = pb.GetFlowsRequest(field_mask=FieldMask(paths=["socket_cookie"]))
    with serving(ring, tmp_path):
        drain = Drain(f"{tmp_path}/s")
        drain.kept = []
        drain.read(request.SerializeToString())
        drain.close()
    assert _cookies(b"".join(drain.kept)) == list(range(50_000, 1_050_000))


def _cookies(payload: bytes) -> list[int]:
    cookies, at = [], 0
    while at < len(payload):
        end = at + 5 + int.from_bytes(payload[at + 1 : at + 5], "big")
        cookies.append(pb.GetFlowsResponse.FromString(payload[at + 5 : end]).flow.socket_cookie)
        at = end
    return cookies


def test_streams_of_one_connection_share_it(tmp_path: Path):
    """Six streams at once, different in size and mask, each whole and in order; unary calls between."""
    ring, tables = Ring(1_000_000), Tables()
    ring.append(generate(20_000, tables=tables))
    with serving(ring, tmp_path) as server, Foreign(server.address) as foreign, ThreadPoolExecutor(8) as pool:

        def uuids(number: int) -> list[str]:
            return [response.flow.uuid for response in foreign.GetFlows(number=number)]

        asked = [20_000, 1, 7_000, 20_000, 5, 12_000]
        running = [pool.submit(uuids, number) for number in asked]
        statuses = [foreign.ServerStatus().num_flows for _ in range(20)]
        answers = [one.result() for one in running]
    assert statuses == [20_000] * 20
    assert [len(one) for one in answers] == asked
    assert answers[0] == answers[3]
    for one in answers:
        assert one == answers[0][-len(one) :]


def test_a_reader_too_slow_for_the_ring_is_told_how_much_it_missed(tmp_path: Path):
    """It reads one message, the ring is overwritten several times, then it reads on: received + lost = all."""
    ring, tables, total = Ring(2 * ROWS), Tables(), 8 * ROWS
    ring.append(_numbered(0, 2 * ROWS, tables))
    with serving(ring, tmp_path) as server, Foreign(server.address) as foreign:
        stream = foreign.GetFlows(number=2 * ROWS, follow=True)
        received, lost, last = 1, 0, next(stream).flow.socket_cookie
        assert last == 0
        for start in range(2 * ROWS, total, ROWS):
            ring.append(_numbered(start, ROWS, tables))
        while last < total - 1 or received + lost < total:
            response = next(stream)
            if response.HasField("lost_events"):
                assert response.lost_events.source == flow_pb2.HUBBLE_RING_BUFFER
                assert response.lost_events.first.ToNanoseconds() <= response.lost_events.last.ToNanoseconds()
                lost += response.lost_events.num_events_lost
            else:
                assert response.flow.socket_cookie > last
                last = response.flow.socket_cookie
                received += 1
        stream.cancel()
    assert lost > 0
    assert received + lost == total


def test_clients_that_leave_in_the_middle_leave_nothing_behind(tmp_path: Path):
    ring, tables = Ring(1_000_000), Tables()
    ring.append(_numbered(0, 200_000, tables))
    with serving(ring, tmp_path) as server:
        for _ in range(10):
            with Foreign(server.address) as foreign:
                stream = foreign.GetFlows(follow=True, number=200_000)
                next(stream)
        with Foreign(server.address) as foreign:
            stream = foreign.GetFlows(follow=True, number=200_000)
            next(stream)
            stream.cancel()
            assert foreign.ServerStatus().num_flows == 200_000
        deadline = time.monotonic() + 10
        while ring._wakes and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not ring._wakes, "a follower that is gone is still woken"


def _numbered(start: int, count: int, tables: Tables) -> FlowBatch:
    numbers = np.arange(start, start + count)
    return FlowBatch({"time_ns": numbers + 1, "socket_cookie": numbers, "verdict": np.ones(count)}, tables)

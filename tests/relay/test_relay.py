"""Many Observers as one: real servers, a real relay, a real client."""

import time
from collections.abc import Iterable, Iterator
from itertools import count as counting

import numpy as np
import pytest
from grpclib.reflection.v1.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from rubin.api.client import Client
from rubin.errors import RubinError, UsageError
from rubin.model.batch import FlowBatch, Lost, empty
from rubin.model.enums import LostSource
from rubin.model.tables import Tables
from rubin.wire.pb import observer_pb2 as pb
from rubin.wire.pb import relay_pb2
from rubin.wire.pb.flow_pb2 import FlowFilter
from rubin.wire.pb.observer_pb2 import GetFlowsRequest
from tests.api.hubble import flow_response, hubble
from tests.api.serving import Foreign
from tests.flows import generate
from tests.relay.relayed import Follower, Node, Relayed, ask, nodes, relaying
from tests.waiting import wait_for

MS = 1_000_000
_SEEDS = counting(1_000)  # the flows of two seeds have UUIDs of their own; fill has the seeds below


@pytest.fixture
def three() -> Iterator[tuple[Relayed, list[Node]]]:
    with nodes("a", "b", "c") as made, relaying() as relayed:
        relayed.update(node.address for node in made)
        relayed.ready(3)
        yield relayed, made


def fill(made: list[Node], count: int) -> list[int]:
    """`count` flows for each node, of the last seconds, mixed; all times in order."""
    now_ns, all_times = time.time_ns(), []
    for number, node in enumerate(made):
        batch = generate(count, seed=number + 1)
        times = now_ns - 5_000 * MS + np.sort(np.random.default_rng(number).integers(0, 4_000 * MS, count))
        all_times += times.tolist()
        name = np.full(count, batch.tables.strings.code(node.name), np.uint32)
        node.ring.append(batch.with_columns(time_ns=times, node_name=name))
    return sorted(all_times)


def times(batches: Iterable[FlowBatch]) -> list[int]:
    return [int(at) for batch in batches for at in batch["time_ns"]]


def test_all_that_the_nodes_hold_comes_in_order_each_flow_once(three: tuple[Relayed, list[Node]]) -> None:
    relayed, made = three
    held = fill(made, 20_000)
    follower = Follower(relayed.relay.address)
    follower.wait()
    assert times(follower.batches) == held
    assert not follower.late
    names = {name for batch in follower.batches for name in batch.rows("node_name")}
    assert names == {"a", "b", "c"}
    assert follower.news() == [(relay_pb2.NODE_CONNECTED, ["a", "b", "c"], "")]


def test_numbers_mean_what_they_say_for_all_nodes_together(three: tuple[Relayed, list[Node]]) -> None:
    relayed, made = three
    held = fill(made, 3_000)
    for fields, wanted in (
        ({"number": 20}, held[-20:]),
        ({"number": 20, "first": True}, held[:20]),
        ({"number": 5_000}, held[-5_000:]),
        ({"number": 5_000, "first": True}, held[:5_000]),
        ({"number": 1 << 63}, held),
        ({"number": 400_000_000}, held),
    ):
        follower = Follower(relayed.relay.address, **fields)
        follower.wait()
        assert times(follower.batches) == wanted, fields
    since = held[4_000]
    request = GetFlowsRequest()
    request.since.FromNanoseconds(since)
    request.until.FromNanoseconds(held[5_000])
    follower = Follower(relayed.relay.address, since=request.since, until=request.until)
    follower.wait()
    assert times(follower.batches) == held[4_000:5_001]


def test_hubbles_own_client_gets_the_same(three: tuple[Relayed, list[Node]]) -> None:
    relayed, made = three
    held = fill(made, 500)
    with Foreign(relayed.relay.address) as foreign:
        answers = list(foreign.GetFlows(number=100))
        assert [one.WhichOneof("response_types") for one in answers[:1]] == ["node_status"]
        assert answers[0].node_name == "relay-1"
        found = [one.time.seconds * 10**9 + one.time.nanos for one in answers if one.HasField("flow")]
        assert found == held[-100:]
        status = foreign.ServerStatus()
        assert (status.num_flows, status.max_flows, status.seen_flows) == (1_500, 300_000, 1_500)
        assert (status.num_connected_nodes.value, status.num_unavailable_nodes.value) == (3, 0)
        listed = foreign.GetNodes().nodes
        assert [(node.name, node.num_flows) for node in sorted(listed, key=lambda node: node.name)] == [
            ("a", 500),
            ("b", 500),
            ("c", 500),
        ]
        assert {one.namespace for one in foreign.GetNamespaces().namespaces} == {
            "default",
            "kube-system",
            "monitoring",
            "shop",
        }
        started = list(foreign.GetAgentEvents(number=3))
        assert {one.node_name for one in started} == {"a", "b", "c"}


def followed(made: list[Node]) -> None:
    """Wait until somebody follows each node: what comes from then on reaches him."""
    wait_for(lambda: all(node.server.followers for node in made), "followers")


def live(node: Node, count: int = 1, behind_ms: float = 0) -> int:
    """New flows, as of now; the time of the last."""
    batch = generate(count, seed=next(_SEEDS))
    at = time.time_ns() - int(behind_ms * MS)
    stamps = at - np.arange(count, dtype=np.int64)[::-1] * 1_000
    name = np.full(count, batch.tables.strings.code(node.name), np.uint32)
    node.ring.append(batch.with_columns(time_ns=stamps, node_name=name))
    return at


def test_new_flows_come_in_order_and_soon(three: tuple[Relayed, list[Node]]) -> None:
    relayed, made = three
    with Follower(relayed.relay.address, follow=True) as follower:
        followed(made)
        for turn in range(150):
            live(made[turn % 3], 1 + turn % 7)
            time.sleep(0.01)
        sent = sum(1 + turn % 7 for turn in range(150))
        wait_for(lambda: follower.flows() == sent, "the flows")
        found = times(follower.batches)
        assert found == sorted(found)
        assert len(found) == sent


def test_the_last_ones_and_then_new_ones(three: tuple[Relayed, list[Node]]) -> None:
    relayed, made = three
    held = fill(made, 1_000)
    with Follower(relayed.relay.address, number=50, follow=True) as follower:
        wait_for(lambda: follower.flows() == 50, "the flows")
        assert times(follower.batches) == held[-50:]
        at = live(made[1])
        wait_for(lambda: follower.flows() == 51, "the flows")
        assert times(follower.batches)[-1] == at


def test_a_node_that_begins_anew_with_an_empty_ring_is_told_and_followed_again() -> None:
    with nodes("a", "b") as made, relaying() as relayed:
        relayed.update(node.address for node in made)
        relayed.ready(2)
        with Follower(relayed.relay.address, follow=True) as follower:
            followed(made)
            live(made[0], 5)
            live(made[1], 5)
            wait_for(lambda: follower.flows() == 10, "the flows")
            made[1].close()
            wait_for(lambda: follower.told(relay_pb2.NODE_ERROR), "news of the error")
            at = live(made[0], 3)
            wait_for(lambda: follower.flows() == 13, "the flows")
            made[1] = Node("b", made[1].address)
            relayed.ready(2)
            wait_for(lambda: follower.news()[-1] == (relay_pb2.NODE_CONNECTED, ["b"], ""), "news of b")
            followed(made)
            at = live(made[1], 4)
            wait_for(lambda: follower.flows() == 17, "the flows")
            assert max(times((*follower.batches, *follower.late))) == at


def test_a_node_that_came_back_with_its_ring_sends_what_was_missed() -> None:
    """The connection breaks, the agent lives on: what it saw meanwhile comes, late or not, once."""
    with nodes("a", "b") as made, relaying() as relayed:
        relayed.update(node.address for node in made)
        relayed.ready(2)
        with Follower(relayed.relay.address, follow=True) as follower:
            followed(made)
            live(made[1], 10)
            wait_for(lambda: follower.flows() == 10, "the flows")
            peer = next(peer for peer in relayed.relay.pool.peers.values() if peer.name == "b")
            assert peer.client is not None
            relayed.run(peer.client.__aexit__())
            live(made[1], 20)
            wait_for(lambda: follower.told(relay_pb2.NODE_ERROR), "news of the error")
            live(made[1], 30)
            wait_for(lambda: follower.flows() == 60, "the flows")
            live(made[0], 1)
            wait_for(lambda: follower.flows() == 61, "the flows")
            found = [
                (int(high), int(low))
                for batch in (*follower.batches, *follower.late)
                for high, low in zip(batch["uuid_high"], batch["uuid_low"], strict=True)
            ]
            assert len(set(found)) == 61


def test_a_foreign_node_is_merged_with_ours() -> None:
    now_s = int(time.time())

    def answer(method: str, _request: bytes, _context: object) -> object:
        if method == "GetFlows":
            return iter(flow_response(now_s - 5 + at) for at in range(4))
        return pb.ServerStatusResponse(num_flows=4)

    with nodes("a") as made, hubble(answer) as address, relaying() as relayed:
        relayed.update([made[0].address, address])
        relayed.ready(2)
        batch = generate(4)
        stamps = (now_s - 5) * 10**9 + np.arange(4, dtype=np.int64) * 10**9 + 500 * MS
        made[0].ring.append(batch.with_columns(time_ns=stamps))
        follower = Follower(relayed.relay.address)
        follower.wait()
        found = times(follower.batches)
        assert len(found) == 8
        assert found == sorted(found)


def test_losses_of_every_node_are_in_the_stream(three: tuple[Relayed, list[Node]]) -> None:
    relayed, made = three
    fill(made, 10)
    for node in made:
        node.ring.append(empty(Tables(), (Lost(LostSource.OBSERVER_EVENTS_QUEUE, 7, time.time_ns()),)))
    for fields in ({}, {"number": 100}):
        follower = Follower(relayed.relay.address, **fields)
        follower.wait()
        assert follower.lost() == 21, fields


def test_what_is_wrong_with_a_question_is_said_once(three: tuple[Relayed, list[Node]]) -> None:
    relayed, made = three
    fill(made, 3_000)
    bad = FlowFilter(source_ip=["nonsense"])
    for fields, sentence in (
        ({"first": True, "follow": True, "number": 1}, "first cannot be specified with follow"),
        ({"whitelist": [bad]}, "nonsense"),
    ):
        with pytest.raises(UsageError, match=sentence):
            Follower(relayed.relay.address, **fields).wait()


def test_a_relay_refuses_itself_and_who_asks_in_circles() -> None:
    with nodes("a") as made, relaying() as one, relaying() as other:
        one.update([made[0].address, other.relay.address, one.relay.address])
        other.update([one.relay.address])
        one.ready(2)
        other.ready(1)
        itself = one.relay.pool.peers[one.relay.address]
        wait_for(lambda: itself.sentence == f"{one.relay.address} is this relay itself", "what is wrong with it")
        fill(made, 10)
        follower = Follower(other.relay.address)
        follower.wait()
        assert follower.flows() == 10, "one relay behind another"
        status = ask(one.relay.address, Client.status)
        assert status.num_flows == 10


def test_nodes_that_cannot_be_reached_are_said_and_stop_nobody() -> None:
    with nodes("a") as made, relaying() as relayed:
        relayed.update([made[0].address, "127.0.0.1:1", "nowhere.invalid:4244"])
        relayed.ready(1)
        fill(made, 10)
        wait_for(
            lambda: all(peer.sentence for peer in relayed.relay.pool.peers.values() if peer.client is None),
            "the flows and the news",
            20,
        )
        follower = Follower(relayed.relay.address, number=5)
        follower.wait()
        assert follower.flows() == 5
        assert follower.news()[1] == (relay_pb2.NODE_UNAVAILABLE, ["127.0.0.1:1", "nowhere.invalid:4244"], "")
        said = [peer.sentence for peer in relayed.relay.pool.peers.values() if peer.client is None]
        assert said == ["cannot reach 127.0.0.1:1: connection refused", "host 'nowhere.invalid' is not known"]


def test_health_is_serving_while_a_node_may_be_asked() -> None:
    with nodes("a") as made, relaying() as relayed:
        assert ask(relayed.relay.address, Client.health) == "NOT_SERVING"
        relayed.update([made[0].address])
        relayed.ready(1)
        assert ask(relayed.relay.address, Client.health) == "SERVING"


def test_a_stranger_is_told_what_it_offers() -> None:
    with relaying() as relayed, Foreign(relayed.relay.address) as foreign:
        reflect = foreign.channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=ServerReflectionRequest.SerializeToString,
            response_deserializer=ServerReflectionResponse.FromString,
        )
        (answer,) = reflect(iter([ServerReflectionRequest(list_services="")]), timeout=10)
        offered = sorted(one.name for one in answer.list_services_response.service)
        assert offered == ["grpc.health.v1.Health", "observer.Observer", "rubin.Columns"]


def test_a_relay_without_nodes_answers_with_nothing() -> None:
    with relaying() as relayed:
        follower = Follower(relayed.relay.address, number=5)
        follower.wait()
        assert follower.flows() == 0
        with pytest.raises(RubinError):
            ask(relayed.relay.address, lambda client: client.trace("x"))


def test_of_a_node_that_comes_later_only_what_is_new_is_told() -> None:
    with nodes("a", "b") as made, relaying() as relayed:
        relayed.update([made[0].address])
        relayed.ready(1)
        fill(made, 50)
        with Follower(relayed.relay.address, number=10, follow=True) as follower:
            wait_for(lambda: follower.flows() == 10, "the last of the first node")
            relayed.update(node.address for node in made)
            followed(made)
            live(made[1], 3)
            wait_for(lambda: follower.flows() == 13, "the new ones of the second")
            assert follower.news()[-1] == (relay_pb2.NODE_CONNECTED, ["b"], "")
            relayed.update([made[0].address])
            wait_for(lambda: follower.told(relay_pb2.NODE_GONE), "news of who went")
        assert follower.flows() == 13


def test_a_node_with_two_addresses_is_asked_once() -> None:
    with nodes("a") as made, relaying() as relayed:
        there = made[0].address
        relayed.update([there, there.replace("127.0.0.1", "localhost")])
        relayed.ready(1)
        wait_for(lambda: any(peer.sentence for peer in relayed.relay.pool.peers.values()), "what is wrong with one")
        said = "".join(peer.sentence for peer in relayed.relay.pool.peers.values())
        assert "is the node that is asked at" in said
        held = fill(made, 10)
        follower = Follower(relayed.relay.address)
        follower.wait()
        assert times(follower.batches) == held

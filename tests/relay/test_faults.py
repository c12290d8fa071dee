"""Nodes and clients that misbehave: the others go on, and what is lost is counted."""

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import pytest

from rubin.api.client import Client, Dialling
from rubin.api.target import ClientSettings
from rubin.relay.merge import Bounds, Merge
from rubin.relay.pool import PoolSettings
from rubin.wire.pb import observer_pb2 as pb
from rubin.wire.pb import relay_pb2
from rubin.wire.pb.observer_pb2 import GetFlowsRequest
from tests.api.hubble import hubble
from tests.flows import generate
from tests.relay.relayed import Follower, Node, ask, nodes, relaying
from tests.relay.test_relay import fill, followed, live, times
from tests.waiting import wait_for

PATIENT = PoolSettings(ClientSettings(timeout_s=5.0, request_timeout_s=2.0))


@contextmanager
def node_process(rate: int = 200) -> Iterator[tuple[int, str]]:
    """A node in a process of its own that takes so many flows a second: its process id and address."""
    command = [sys.executable, "-m", "bench.node", "1", "0", str(rate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            pid, address = process.stdout.readline().split()
            yield int(pid), address
        finally:
            os.kill(process.pid, signal.SIGCONT)
            process.kill()


def test_a_node_that_hangs_holds_nobody_back_and_is_told_when_it_goes_on() -> None:
    with nodes("a") as made, node_process() as (pid, address), relaying(settings=PATIENT) as relayed:
        relayed.update([made[0].address, address])
        relayed.ready(2)
        with Follower(relayed.relay.address, follow=True) as follower:
            followed(made)
            wait_for(lambda: follower.flows() > 200, "flows of the process")
            os.kill(pid, signal.SIGSTOP)
            began_s = time.time()
            while time.time() < began_s + 4:
                live(made[0])
                time.sleep(0.02)
            assert np.median(delays_ms(follower, "a")) < 1_000, "one second at most, and once"
            os.kill(pid, signal.SIGCONT)
            before = follower.flows()
            wait_for(lambda: follower.flows() > before + 200, "flows of the process again")
        assert no_gap(follower), "the node has held them meanwhile"


def of_node(follower: Follower, node: str) -> int:
    """How many flows of a node have come."""
    return sum(batch.rows("node_name").count(node) for batch in (*follower.batches, *follower.late))


def delays_ms(follower: Follower, node: str) -> list[float]:
    """How long after its time each flow of a node was seen, but for late ones."""
    found: list[float] = []
    for batch, seen_s in zip(follower.batches, follower.seen_s, strict=False):
        mine = np.array([name == node for name in batch.rows("node_name")], np.bool_)
        found += (seen_s * 1e3 - batch["time_ns"][mine] / 1e6).tolist()
    return found


def no_gap(follower: Follower) -> bool:
    """Whether the flows of the processes have all come, from the first that came to the last."""
    ids = np.concatenate([batch["uuid_low"] for batch in (*follower.batches, *follower.late)])
    nodes = [str(name) for batch in (*follower.batches, *follower.late) for name in batch.rows("node_name")]
    mine = np.sort(ids[np.array([name.startswith("node-") for name in nodes])] & np.uint64(0xFFFF_FFFF))
    return bool((np.diff(mine.astype(np.int64)) == 1).all())


def test_a_node_that_is_killed_is_told_and_the_others_lose_nothing() -> None:
    with nodes("a") as made, relaying() as relayed:
        with node_process() as (pid, address):
            relayed.update([made[0].address, address])
            relayed.ready(2)
            follower = Follower(relayed.relay.address, follow=True)
            followed(made)
            wait_for(lambda: follower.flows() > 100, "flows of the process")
            os.kill(pid, signal.SIGKILL)
        try:
            for _ in range(50):
                live(made[0])
            wait_for(lambda: follower.told(relay_pb2.NODE_ERROR), "news of the node")
            wait_for(lambda: of_node(follower, "a") == 50, "the flows of the other")
        finally:
            follower.close()


@contextmanager
def answering(words: bytes) -> Iterator[str]:
    """A server that says this to everybody and nothing else."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stopped = threading.Event()
        listener.settimeout(0.1)

        def serve() -> None:
            held = []
            while not stopped.is_set():
                try:
                    held.append(listener.accept()[0])
                    held[-1].sendall(words)
                except TimeoutError:
                    continue
            for each in held:
                each.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stopped.set()
            thread.join()


SETTINGS = b"\0\0\0\4\0\0\0\0\0"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (b"\xff" * 100, "does not speak gRPC"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is a web server"),
        (SETTINGS + b"\0\0\1\0\0\0\0\0\0x", "ended the connection"),
        (b"", "does not answer within 1 s"),
        (SETTINGS, "did not answer within 1 s"),
    ],
)
def test_who_answers_garbage_or_nothing_is_said_and_stops_nobody(words: bytes, sentence: str) -> None:
    quick = PoolSettings(ClientSettings(timeout_s=1.0, request_timeout_s=1.0))
    with nodes("a") as made, answering(words) as address, relaying(settings=quick) as relayed:
        relayed.update([made[0].address, address])
        relayed.ready(1)
        held = fill(made, 10)
        wait_for(lambda: sentence in relayed.relay.pool.peers[address].sentence, sentence)
        follower = Follower(relayed.relay.address)
        follower.wait()
        assert times(follower.batches) == held


def test_two_nodes_with_one_name_are_two() -> None:
    with nodes("a", "a") as made, relaying() as relayed:
        relayed.update(node.address for node in made)
        relayed.ready(2)
        held = fill(made, 10)
        follower = Follower(relayed.relay.address)
        follower.wait()
        assert times(follower.batches) == held
        assert [node.name for node in ask(relayed.relay.address, Client.nodes)] == ["a", "a"]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_node_whose_clock_is_an_hour_off_loses_nothing_and_makes_nobody_late(hours: int) -> None:
    with nodes("a", "b", "c") as made, relaying() as relayed:
        relayed.update(node.address for node in made)
        relayed.ready(3)
        with Follower(relayed.relay.address, follow=True) as follower:
            followed(made)
            for turn in range(200):
                live(made[turn % 2])
                if turn % 2:
                    live(made[2], behind_ms=-hours * 3_600_000)
                time.sleep(0.01)
            wait_for(lambda: follower.flows() == 300, "all flows")
            late = {name for batch in follower.late for name in batch.rows("node_name")}
            assert late == {"c"}
            found = times(follower.batches)
            assert found == sorted(found)
            assert any("late" in news[2] and news[1] == ["c"] for news in follower.news())


def test_a_client_that_asks_for_everything_and_never_reads_is_bounded() -> None:
    """The relay holds no more for it than it may, and goes on for others."""
    most = 20_000
    with nodes("a", "b") as made, relaying(Bounds(most_rows=most)) as relayed:
        relayed.update(node.address for node in made)
        relayed.ready(2)
        held = fill(made, 60_000)
        with stalled(relayed.relay.address):
            for _ in range(3):
                follower = Follower(relayed.relay.address)
                follower.wait()
                assert times(follower.batches) == held
            merges = [each for each in gc.get_objects() if isinstance(each, Merge)]
            waiting = [sum(node.rows for node in merge._nodes.values()) for merge in merges]
            assert 0 < max(waiting) < 3 * most, "its share, and what was read of each node by then"


@contextmanager
def stalled(address: str) -> Iterator[None]:
    """A client that asks for everything, and reads the first flows only."""
    reads, leaves = threading.Event(), threading.Event()

    async def stall() -> None:
        async with Client(ClientSettings(address), Dialling(window_bytes=1 << 16)) as client:
            async for _batch in client.flows(GetFlowsRequest(follow=True, number=1 << 63)):
                reads.set()
                await asyncio.to_thread(leaves.wait)
                return

    thread = threading.Thread(target=lambda: asyncio.run(stall()))
    thread.start()
    try:
        assert reads.wait(30)
        yield
    finally:
        leaves.set()
        thread.join()


def test_nodes_that_are_too_slow_for_the_client_say_what_they_overwrote() -> None:
    with relaying(Bounds(most_rows=10_000)) as relayed:
        node = Node("a", capacity=5_000)
        try:
            relayed.update([node.address])
            relayed.ready(1)
            follower = Follower(relayed.relay.address, follow=True)
            followed([node])
            batch = generate(1_000)
            for turn in range(400):
                stamps = time.time_ns() - np.arange(1_000, dtype=np.int64)[::-1]
                low = np.uint64(turn << 32) + np.arange(1_000, dtype=np.uint64)
                node.ring.append(batch.with_columns(time_ns=stamps, uuid_low=low))
            wait_for(lambda: follower.flows() + follower.lost() == 400_000, "all flows, or their losses")
            follower.close()
        finally:
            node.close()


def test_a_node_that_refuses_is_asked_again_now_and_then_and_is_not_called_connected() -> None:
    asked: list[float] = []

    def answer(method: str, _request: bytes, context: Any) -> object:
        if method == "GetFlows":
            asked.append(time.monotonic())
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")
        return pb.ServerStatusResponse()

    with nodes("a") as made, hubble(answer) as address, relaying() as relayed:
        relayed.update([made[0].address, address])
        relayed.ready(2)
        with Follower(relayed.relay.address, follow=True) as follower:
            wait_for(lambda: len(asked) == 3, "the third question")
            assert asked[2] - asked[0] >= 2 * 2.0 - 0.1
            states = [news[0] for news in follower.news()]
            assert states == [relay_pb2.NODE_CONNECTED, relay_pb2.NODE_ERROR], "the same is not said again at once"

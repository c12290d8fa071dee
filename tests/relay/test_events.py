"""What agents did, of all nodes."""

import asyncio
import time
from typing import Any

from rubin.api.client import Client
from rubin.api.target import ClientSettings
from rubin.wire.pb.flow_pb2 import AgentEvent
from rubin.wire.pb.observer_pb2 import GetAgentEventsRequest, GetAgentEventsResponse
from tests.relay.relayed import Node, ask, nodes, relaying


def add(node: Node) -> None:
    """Something happens there now."""
    notifications: Any = node.server.notifications
    loop = node.server._listening._servers[0]._loop
    loop.call_soon_threadsafe(notifications.add, AgentEvent())


def test_held_events_come_in_order_and_new_ones_as_they_come_each_once() -> None:
    with nodes("a", "b") as made, relaying() as relayed:
        relayed.update(node.address for node in made)
        relayed.ready(2)

        async def follow(client: Client) -> list[GetAgentEventsResponse]:
            found = []
            async with asyncio.timeout(30):
                async for event in client.agent_events(GetAgentEventsRequest(number=10, follow=True)):
                    found.append(event)
                    if len(found) == 2:  # both have told that they began
                        add(made[0])
                        add(made[1])
                    if len(found) == 4:
                        return found
            return found

        found = ask(ClientSettings(relayed.relay.address), follow)
        times = [event.time.ToNanoseconds() for event in found]
        assert times[:2] == sorted(times[:2])
        assert sorted(event.node_name for event in found) == ["a", "a", "b", "b"]
        assert sorted(event.node_name for event in found[:2]) == ["a", "b"]
        assert times[2] <= time.time_ns()

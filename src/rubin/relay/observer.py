"""Hubble's Observer service of many nodes, and their column service."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from grpclib.server import Stream

from rubin import __version__
from rubin.api import asking, columns
from rubin.api.client import Client
from rubin.api.encoding import Encoders, framed, messages
from rubin.api.framing import send_framed
from rubin.api.selection import selection_of, time_ns
from rubin.api.service import Service, streaming, unary
from rubin.api.wakes import within
from rubin.errors import RubinError, UsageError
from rubin.relay.flows import Flows
from rubin.relay.merge import Bounds
from rubin.relay.pool import Peer, Pool, State
from rubin.relay.questions.service import Questions
from rubin.wire.pb import observer_pb2 as pb
from rubin.wire.pb import relay_pb2
from rubin.wire.pb.rubin_pb2 import ColumnFrame

T = TypeVar("T")
Events = TypeVar("Events", pb.GetAgentEventsResponse, pb.GetDebugEventsResponse)
VERSION = f"rubin-relay v{__version__}"
_LOG = logging.getLogger(__name__)
_MOST_NAMES = 10
_MOST_EVENTS = 1_000
_ASKED_AGAIN_S = 2.0


class Observer:
    """Answers for the nodes of a pool; `services()` are what a server registers."""

    def __init__(
        self, pool: Pool, bounds: Bounds, node_name: str, also: Callable[[], Mapping[str, object]] = dict
    ) -> None:
        """`also`: what else `rubin status` says of the relay: where nodes are found, certificates, who was refused."""
        self._pool, self._bounds, self._node_name, self._also = pool, bounds, node_name, also
        self._encoders = Encoders()
        self._failures: dict[str, str] = {}
        self.flows = 0
        """How many were sent."""
        self.late: dict[str, int] = {}
        """How many flows of each node came late."""

    def service(self) -> Service:
        """Hubble's methods."""
        methods = {
            "GetFlows": streaming(self.get_flows, pb.GetFlowsRequest, pb.GetFlowsResponse, readers=True),
            "GetAgentEvents": streaming(self.get_agent_events, pb.GetAgentEventsRequest, pb.GetAgentEventsResponse),
            "GetDebugEvents": streaming(self.get_debug_events, pb.GetDebugEventsRequest, pb.GetDebugEventsResponse),
            "GetNodes": unary(self.get_nodes, pb.GetNodesRequest, pb.GetNodesResponse, readers=True),
            "GetNamespaces": unary(
                self.get_namespaces, pb.GetNamespacesRequest, pb.GetNamespacesResponse, readers=True
            ),
            "ServerStatus": unary(self.server_status, pb.ServerStatusRequest, pb.ServerStatusResponse, readers=True),
        }
        return Service("observer.Observer", methods)

    def columns(self) -> Service:
        """The same and more in our own words: flows as columns, and the questions that are answered at the nodes."""
        flows = streaming(self.get_columns, pb.GetFlowsRequest, ColumnFrame, readers=True)
        questions = Questions(self._pool, self._node_name, self.late, self._also)
        return Service(columns.SERVICE, {"GetFlows": flows, **questions.methods()})

    async def get_flows(
        self, stream: Stream[pb.GetFlowsRequest, pb.GetFlowsResponse], request: pb.GetFlowsRequest
    ) -> None:
        """Flows, losses and news of nodes as Hubble's messages."""
        encoder = self._encoders.of(request.field_mask.paths)
        flows = self._flows(request)
        await stream.send_initial_metadata()
        async with aclosing(flows.answers()) as answers:
            async for told in answers:
                if told.status is not None:
                    await send_framed(stream, framed(told.status))
                if told.flows is not None:
                    self.flows += len(told.flows)
                    asking.note_flows(len(told.flows))
                    await send_framed(stream, messages(encoder, told.flows))

    async def get_columns(self, stream: Stream[pb.GetFlowsRequest, ColumnFrame], request: pb.GetFlowsRequest) -> None:
        """The same as column frames."""
        flows = self._flows(request)
        await stream.send_initial_metadata()
        async with aclosing(flows.answers()) as answers:
            async for told in answers:
                if told.status is not None:
                    await stream.send_message(ColumnFrame(status=told.status))
                if told.flows is not None:
                    self.flows += len(told.flows)
                    asking.note_flows(len(told.flows))
                    await send_framed(stream, columns.message(told.flows, is_late=told.is_late))

    def _flows(self, request: pb.GetFlowsRequest) -> Flows:
        selection_of(request)  # what is wrong with the question is said once, here
        return Flows(self._pool, request, self._bounds, self._node_name, asking.is_relay(), self.late)

    async def get_agent_events(
        self, stream: Stream[pb.GetAgentEventsRequest, pb.GetAgentEventsResponse], request: pb.GetAgentEventsRequest
    ) -> None:
        """What the agents did."""
        await self._events(stream, request, Client.agent_events)

    async def get_debug_events(
        self, stream: Stream[pb.GetDebugEventsRequest, pb.GetDebugEventsResponse], request: pb.GetDebugEventsRequest
    ) -> None:
        """What the nodes' programs said for those who debug them."""
        await self._events(stream, request, Client.debug_events)

    async def _events(
        self, stream: Stream[Any, Events], request: Any, ask: Callable[[Client, Any], AsyncIterator[Events]]
    ) -> None:
        """Those of all nodes: what is held in the order of time, then what comes as it comes."""
        if request.first and request.follow:
            raise UsageError("first cannot be specified with follow", "first alone, or follow with a number")
        await stream.send_initial_metadata()
        queue: asyncio.Queue[Events] = asyncio.Queue(_MOST_EVENTS)
        following = asyncio.create_task(self._follow(queue, request, ask)) if request.follow else None
        try:
            await asyncio.sleep(0)  # who follows is asked first, so that nothing falls between
            held = await self._held(request, ask)
            for event in held:
                await stream.send_message(event)
            known = {event.SerializeToString() for event in held}
            while following is not None:
                event = await queue.get()
                if event.SerializeToString() not in known:
                    await stream.send_message(event)
        finally:
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)

    async def _held(self, request: Any, ask: Callable[[Client, Any], AsyncIterator[Events]]) -> list[Events]:
        """What the nodes hold of what is asked for, in the order of time."""
        if request.follow and not request.number and not request.HasField("since"):
            return []
        now = type(request)()
        now.CopyFrom(request)
        now.follow = False
        found = [event for events in await self._ask_all(lambda client: _all(ask(client, now))) for event in events]
        found.sort(key=lambda event: time_ns(event.time))
        if not request.number:
            return found
        return found[: request.number] if request.first else found[-request.number :]

    async def _follow(
        self, queue: asyncio.Queue[Events], request: Any, ask: Callable[[Client, Any], AsyncIterator[Events]]
    ) -> None:
        """What comes of each node, until it is cancelled; a node that fails is asked again."""
        new = type(request)()
        new.CopyFrom(request)
        new.number = 0
        new.ClearField("since")

        async def read(peer: Peer, client: Client) -> None:
            try:
                async for event in ask(client, new):
                    await queue.put(event)
            except RubinError as error:
                self._note(peer, error)

        tasks: dict[Peer, asyncio.Task[None]] = {}
        try:
            while True:
                changed = self._pool.changed()
                for peer in self._nodes():
                    if peer.client and (peer not in tasks or tasks[peer].done()):
                        tasks[peer] = asyncio.create_task(read(peer, peer.client))
                await within(changed, _ASKED_AGAIN_S)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    def _note(self, peer: Peer, error: RubinError) -> None:
        """A node could not answer a question: into the log, once for as long as it is so."""
        if self._failures.get(peer.name) != error.sentence:
            self._failures[peer.name] = error.sentence
            _LOG.warning("node=%s failed=%r", peer.name, error.sentence)

    async def get_nodes(self, _request: pb.GetNodesRequest) -> pb.GetNodesResponse:
        """Every node, what it says of itself, or that it does not answer."""
        return pb.GetNodesResponse(nodes=await asyncio.gather(*map(_node, self._all_nodes())))

    async def get_namespaces(self, _request: pb.GetNamespacesRequest) -> pb.GetNamespacesResponse:
        """Those of all nodes."""
        found = {(one.cluster, one.namespace) for each in await self._ask_all(Client.namespaces) for one in each}
        return pb.GetNamespacesResponse(
            namespaces=[pb.Namespace(cluster=cluster, namespace=name) for cluster, name in sorted(found)]
        )

    async def server_status(self, _request: pb.ServerStatusRequest) -> pb.ServerStatusResponse:
        """The sums; `uptime_ns` is that of the node that runs longest."""
        nodes = self._all_nodes()
        told = dict(zip(self._nodes(), await self._ask_all(Client.status, keep=True), strict=True))
        found = [status for status in told.values() if status is not None]
        away = [peer.name for peer in nodes if told.get(peer) is None]
        status = pb.ServerStatusResponse(
            num_flows=sum(one.num_flows for one in found),
            max_flows=sum(one.max_flows for one in found),
            seen_flows=sum(one.seen_flows for one in found),
            uptime_ns=max((one.uptime_ns for one in found), default=0),
            flows_rate=sum(one.flows_rate for one in found),
            version=VERSION,
            unavailable_nodes=sorted(away)[:_MOST_NAMES],
        )
        status.num_connected_nodes.value = len(found)
        status.num_unavailable_nodes.value = len(away)
        return status

    def _all_nodes(self) -> list[Peer]:
        peers = self._pool.peers.values()
        return [peer for peer in peers if not (asking.is_relay() and peer.is_relay())]

    def _nodes(self) -> list[Peer]:
        return [peer for peer in self._all_nodes() if peer.state is State.READY]

    async def _ask_all(self, question: Callable[[Client], Awaitable[T]], keep: bool = False) -> list[Any]:
        """What each node that may be asked answers; one that fails is left out, or None where all are kept."""

        async def ask(peer: Peer) -> T | None:
            try:
                answer = await question(peer.client) if peer.client else None
            except RubinError as error:
                self._note(peer, error)
                return None
            self._failures.pop(peer.name, None)
            return answer

        found = await asyncio.gather(*map(ask, self._nodes()))
        return found if keep else [one for one in found if one is not None]


async def _all(events: AsyncIterator[Events]) -> Sequence[Events]:
    return [event async for event in events]


async def _node(peer: Peer) -> pb.Node:
    """As GetNodes tells of it."""
    node = pb.Node(name=peer.name, address=peer.found.address, state=relay_pb2.NODE_UNAVAILABLE)
    node.tls.enabled, node.tls.server_name = peer.is_tls or peer.found.tls, peer.found.server_name
    if peer.client is None:
        return node
    try:
        status = await peer.client.status()
    except RubinError:
        node.state = relay_pb2.NODE_ERROR
        return node
    node.state = relay_pb2.NODE_CONNECTED
    node.version, node.uptime_ns = status.version, status.uptime_ns
    node.num_flows, node.max_flows, node.seen_flows = status.num_flows, status.max_flows, status.seen_flows
    return node

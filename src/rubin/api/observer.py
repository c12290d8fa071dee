"""Hubble's Observer service over the ring."""

import asyncio
import time
from contextlib import aclosing

from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from rubin import __version__
from rubin.api import asking
from rubin.api.encoding import Encoders, messages
from rubin.api.framing import send_framed
from rubin.api.namespaces import Namespaces, Rate
from rubin.api.notifications import Notifications
from rubin.api.reading import Reading
from rubin.api.selection import selection_of
from rubin.api.service import Service, streaming, unary
from rubin.api.wakes import Wakes
from rubin.store.ring import Ring
from rubin.wire.pb import observer_pb2 as pb

SERVICE = "observer.Observer"
VERSION = f"rubin v{__version__}"

FlowStream = Stream[pb.GetFlowsRequest, pb.GetFlowsResponse]


class Observer:
    """Answers from a ring; `service()` is what a server registers."""

    def __init__(self, ring: Ring, wakes: Wakes, notifications: Notifications, node_name: str) -> None:
        self._ring, self._wakes, self._notifications, self._node_name = ring, wakes, notifications, node_name
        self._started = time.monotonic_ns()
        self._encoders = Encoders()
        self._namespaces, self._rate = Namespaces(ring), Rate(ring)

    def service(self) -> Service:
        """The methods by Hubble's names."""
        methods = {
            "GetFlows": streaming(self.get_flows, pb.GetFlowsRequest, pb.GetFlowsResponse, readers=True),
            "GetAgentEvents": streaming(self.get_agent_events, pb.GetAgentEventsRequest, pb.GetAgentEventsResponse),
            "GetDebugEvents": streaming(_get_debug_events, pb.GetDebugEventsRequest, pb.GetDebugEventsResponse),
            "GetNodes": unary(_get_nodes, pb.GetNodesRequest, pb.GetNodesResponse, readers=True),
            "GetNamespaces": unary(
                self.get_namespaces, pb.GetNamespacesRequest, pb.GetNamespacesResponse, readers=True
            ),
            "ServerStatus": unary(self.server_status, pb.ServerStatusRequest, pb.ServerStatusResponse, readers=True),
        }
        return Service(SERVICE, methods)

    def tick(self) -> None:
        """To be called about once a second: what is kept up beside the requests."""
        self._rate.sample()
        self._namespaces.update()

    async def get_flows(self, stream: FlowStream, request: pb.GetFlowsRequest) -> None:
        """Flows and losses as Hubble's messages."""
        selection = selection_of(request)
        encoder = self._encoders.of(request.field_mask.paths)
        await stream.send_initial_metadata()
        reading = Reading(self._ring, self._wakes, selection, self._node_name)
        async with aclosing(aiter(reading)) as batches:
            async for batch in batches:
                encoded = messages(encoder, batch)
                asking.note_flows(len(batch))
                del batch  # or it would keep its segment alive while a slow client reads
                await send_framed(stream, encoded)

    async def get_agent_events(
        self, stream: Stream[pb.GetAgentEventsRequest, pb.GetAgentEventsResponse], request: pb.GetAgentEventsRequest
    ) -> None:
        """What the agent did."""
        async for event in self._notifications.select(request):
            await stream.send_message(event)

    async def get_namespaces(self, _request: pb.GetNamespacesRequest) -> pb.GetNamespacesResponse:
        """The namespaces of the last hour's flows, those that may be seen."""
        while self._namespaces.update():
            await asyncio.sleep(0)
        seen = [one for one in self._namespaces.held() if asking.sight().sees(one[1])]
        held = [pb.Namespace(cluster=cluster, namespace=name) for cluster, name in seen]
        return pb.GetNamespacesResponse(namespaces=held)

    async def server_status(self, _request: pb.ServerStatusRequest) -> pb.ServerStatusResponse:
        """How much is held, how much was seen, how fast it comes."""
        return pb.ServerStatusResponse(
            num_flows=self._ring.held_flows,
            max_flows=self._ring.capacity,
            seen_flows=self._ring.next_row,
            uptime_ns=time.monotonic_ns() - self._started,
            version=VERSION,
            flows_rate=self._rate.per_second(),
        )


async def _get_debug_events(
    stream: Stream[pb.GetDebugEventsRequest, pb.GetDebugEventsResponse], request: pb.GetDebugEventsRequest
) -> None:
    """Nothing: our programs have no debug events."""
    await stream.send_initial_metadata()
    if request.follow:
        await asyncio.Event().wait()


async def _get_nodes(_request: pb.GetNodesRequest) -> pb.GetNodesResponse:
    raise GRPCError(Status.UNIMPLEMENTED, "GetNodes not implemented")

"""The client: columns from our own servers, Hubble's messages from any other."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from google.protobuf.message import Message
from grpclib.client import Stream
from grpclib.const import Cardinality, Status
from grpclib.exceptions import GRPCError

from rubin.api import asking
from rubin.api.framing import Channel, channel_configuration, true_answer
from rubin.api.target import ClientSettings, authorization, target_of, tls_context
from rubin.api.told import Promise, Told, Wishes
from rubin.api.trouble import TROUBLES, explained
from rubin.errors import RubinError, UsageError
from rubin.model.batch import FlowBatch
from rubin.model.tables import Tables
from rubin.wire.pb import observer_pb2 as pb

if TYPE_CHECKING:
    from rubin.wire.pb.rubin_pb2 import TopRequest, TopResponse

Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)
Json = TypeVar("Json", dict[str, Any], list[dict[str, Any]])
OnStatus = Callable[[pb.GetFlowsResponse], None]

_OBSERVER, _OURS = "/observer.Observer/", "/rubin.Columns/"
_VERSIONS = ("hubble-server-version", "hubble-relay-version")


@dataclass(frozen=True, slots=True)
class Dialling:
    """How a program connects that has many clients: one TLS for all, what each request carries, and how much may be on
    its way on each connection.
    """

    tls: ssl.SSLContext | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    window_bytes: int = 1 << 23


class Client:
    """`async with Client(settings) as client:` connects; everything raises RubinError for people.

    `server_version` is what the server said of itself with its last answer, "" if nothing; `is_relay`: and whether it
    is a relay.
    """

    def __init__(self, settings: ClientSettings | None = None, dialling: Dialling | None = None) -> None:
        self.settings, self._dialling = settings or ClientSettings(), dialling or Dialling()
        self.target = target_of(self.settings)
        self.server_version, self.is_relay = "", False
        self.server_headers: Mapping[str, Any] = {}
        self._tls = self._dialling.tls if self._dialling.tls and self.target.tls else None
        self._tls = self._tls or tls_context(self.settings, self.target)
        self._headers = authorization(self.settings) | dict(self._dialling.metadata)

    async def __aenter__(self) -> Self:
        where: dict[str, Any] = {"path": self.target.path} if self.target.path else {}
        where = where or {"host": self.target.host, "port": self.target.port}
        name = self.settings.tls_server_name or ("localhost" if self.target.path else None)
        configuration = channel_configuration(name if self._tls else None, self._dialling.window_bytes)
        self._channel = Channel(**where, ssl=self._tls, config=configuration)
        try:
            with self._explained():
                async with asyncio.timeout(self.settings.timeout_s):
                    await self._channel.dial()
        except BaseException:
            await self._channel.hang_up()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._channel.hang_up()

    async def ended(self) -> None:
        """Until the connection is lost."""
        await self._channel.ended()

    async def flows(
        self,
        request: pb.GetFlowsRequest,
        on_status: OnStatus | None = None,
        tables: Callable[[], Tables | None] = lambda: None,
    ) -> AsyncGenerator[FlowBatch, None]:
        """Flows and losses in batches, as they come. `on_status` gets a relay's news of its nodes; `tables`: as `told`.

        A server of ours ignores the request's field mask: columns come whole.
        """
        async with aclosing(self.told(request, tables=tables)) as answers:
            async for told in answers:
                if told.status is not None and on_status is not None:
                    on_status(told.status)
                if told.flows is not None:
                    yield told.flows

    async def told(
        self,
        request: pb.GetFlowsRequest,
        wishes: Wishes | None = None,
        tables: Callable[[], Tables | None] = lambda: None,
    ) -> AsyncGenerator[Told, None]:
        """Flows, losses, news of nodes and promises, as they come; who speaks only Hubble's API promises nothing. What
        comes as columns points into the `tables` of the moment, or into its own. Within a request that is answered,
        only what its asker may see.
        """
        sight = asking.sight()
        async with aclosing(self._all_told(request, wishes, tables)) as answers:
            async for told in answers:
                yield told if told.flows is None else told._replace(flows=sight.narrowed(told.flows))

    async def _all_told(
        self, request: pb.GetFlowsRequest, wishes: Wishes | None, tables: Callable[[], Tables | None]
    ) -> AsyncGenerator[Told, None]:
        try:
            async with aclosing(self._columns(request, wishes, tables)) as answers:
                async for told in answers:
                    yield told
            return
        except GRPCError as error:
            if error.status is not Status.UNIMPLEMENTED:
                raise explained(error, self.target, self.settings) from error
        if request.HasField("extensions"):
            what = f"{self.target.text} is a Hubble server: it cannot filter by process, cgroup or the kernel's reasons"
            raise UsageError(what, "leave such flags out, or ask a Rubin agent")
        from rubin.api.gather import gathered  # decoding Hubble's messages: what our own servers spare us

        replies = self._stream(_OBSERVER + "GetFlows", request, pb.GetFlowsResponse)
        async with aclosing(gathered(replies)) as answers:
            async for told in answers:
                yield told

    async def status(self) -> pb.ServerStatusResponse:
        """ServerStatus."""
        return await self._unary(_OBSERVER + "ServerStatus", pb.ServerStatusRequest(), pb.ServerStatusResponse)

    async def namespaces(self) -> list[pb.Namespace]:
        """GetNamespaces; within a request that is answered, those that its asker may see."""
        request, reply = pb.GetNamespacesRequest(), pb.GetNamespacesResponse
        found = (await self._unary(_OBSERVER + "GetNamespaces", request, reply)).namespaces
        return [one for one in found if asking.sight().sees(one.namespace)]

    async def nodes(self) -> list[pb.Node]:
        """GetNodes, which only a relay answers."""
        return list((await self._unary(_OBSERVER + "GetNodes", pb.GetNodesRequest(), pb.GetNodesResponse)).nodes)

    async def health(self) -> str:
        """What the health service says of the Observer: `SERVING`, `NOT_SERVING`, …"""
        from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

        request = HealthCheckRequest(service="hubble.server.Observer")
        answer = await self._unary("/grpc.health.v1.Health/Check", request, HealthCheckResponse)
        return HealthCheckResponse.ServingStatus.Name(answer.status)

    async def agent_status(self) -> dict[str, Any]:
        """What our own agent says beyond Hubble's ServerStatus; {} from a server that is not ours."""
        return (await self.agent_status_at())[0]

    async def agent_status_at(self) -> tuple[dict[str, Any], int]:
        """The same, and when it was answered by the server's clock, ns since the epoch; 0: it does not say."""
        from rubin.wire.pb.rubin_pb2 import StatusRequest, StatusResponse

        try:
            answer = await self._ask(_OURS + "Status", StatusRequest(), StatusResponse)
        except GRPCError as error:
            if error.status is Status.UNIMPLEMENTED:
                return {}, 0
            raise explained(error, self.target, self.settings) from error
        return self.read(answer.json, dict), answer.time_ns

    async def endpoints(self, who: str = "", time_ns: int = 0) -> list[dict[str, Any]]:
        """Who our own agent says is there: all, or those that `who` names, now (0) or at a time."""
        from rubin.wire.pb.rubin_pb2 import EndpointsRequest, EndpointsResponse

        request = EndpointsRequest(who=who, time_ns=time_ns)
        return self.read((await self._ours("Endpoints", request, EndpointsResponse)).json, list)

    async def top(self, flows: pb.GetFlowsRequest, by: str, sort: str, number: int) -> dict[str, Any]:
        """Which requests are slowest, failing, busiest, of those that `flows` asks for: as `query.top` says."""
        from rubin.wire.pb.rubin_pb2 import TopRequest

        request = TopRequest(flows=flows, by=by, sort=sort, number=number)
        return self.read((await self.top_part(request)).json, dict)

    async def top_part(self, request: "TopRequest") -> "TopResponse":
        """The same, or what a relay makes it of."""
        from rubin.wire.pb.rubin_pb2 import TopResponse

        return await self._ours("Top", request, TopResponse)

    async def trace(self, uuid: str = "", trace_id: str = "") -> dict[str, Any]:
        """A request in full, or those of a distributed trace: as `query.trace` says."""
        from rubin.wire.pb.rubin_pb2 import TraceRequest, TraceResponse

        request = TraceRequest(uuid=uuid, trace_id=trace_id)
        return self.read((await self._ours("Trace", request, TraceResponse)).json, dict)

    async def explain(self, flow: str = "", source: str = "", destination: str = "") -> dict[str, Any]:
        """Why a flow ended as it did, as `query.explain` says; {} from a server that is not ours, or an older one."""
        from rubin.wire.pb.rubin_pb2 import ExplainRequest, ExplainResponse

        request = ExplainRequest(flow=flow, source=source, destination=destination)
        try:
            with self._explained(but=GRPCError):
                answer = await self._ask(_OURS + "Explain", request, ExplainResponse)
        except GRPCError as error:
            if error.status is Status.UNIMPLEMENTED:
                return {}
            raise explained(error, self.target, self.settings) from error
        return self.read(answer.json, dict)

    def read(self, text: str, kind: type[Json]) -> Json:
        """What our servers answer as JSON. Raises RubinError where it is none of that kind."""
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RubinError(f"{self.target} answers something else than JSON", "is it a server of Rubin?") from error
        if not isinstance(found, kind):
            raise RubinError(f"{self.target} answers with JSON of another form", "is it a server of Rubin?")
        return found

    def agent_events(self, request: pb.GetAgentEventsRequest) -> AsyncIterator[pb.GetAgentEventsResponse]:
        """GetAgentEvents, as they come."""
        return self._stream(_OBSERVER + "GetAgentEvents", request, pb.GetAgentEventsResponse)

    def debug_events(self, request: pb.GetDebugEventsRequest) -> AsyncIterator[pb.GetDebugEventsResponse]:
        """GetDebugEvents, as they come."""
        return self._stream(_OBSERVER + "GetDebugEvents", request, pb.GetDebugEventsResponse)

    def peers(self) -> AsyncIterator[Any]:
        """Peer.Notify: `peer_pb2.ChangeNotification`s, as they come."""
        from rubin.wire.pb.peer_pb2 import ChangeNotification, NotifyRequest

        return self._stream("/peer.Peer/Notify", NotifyRequest(), ChangeNotification)

    async def _columns(
        self, request: pb.GetFlowsRequest, wishes: Wishes | None, tables: Callable[[], Tables | None]
    ) -> AsyncGenerator[Told, None]:
        from rubin.wire import frames
        from rubin.wire.pb.rubin_pb2 import ColumnFrame

        method, kind = _OURS + "GetFlows", Cardinality.UNARY_STREAM
        with self._explained(but=GRPCError):
            async with self._open(method, kind, request, ColumnFrame, wishes) as stream:
                await self._begin(stream, request)
                async for reply in stream:
                    yield Told(
                        frames.decode(reply.frame, tables()) if reply.frame else None,
                        reply.status if reply.HasField("status") else None,
                        Promise(reply.promise_ns, reply.is_live) if reply.promise_ns else None,
                        reply.is_late,
                    )

    async def _stream(self, method: str, request: Request, reply_type: type[Reply]) -> AsyncIterator[Reply]:
        with self._explained():
            async with self._open(method, Cardinality.UNARY_STREAM, request, reply_type) as stream:
                await self._begin(stream, request)
                async for reply in stream:
                    yield reply

    async def _unary(self, method: str, request: Request, reply_type: type[Reply]) -> Reply:
        with self._explained():
            return await self._ask(method, request, reply_type)

    async def _ours(self, method: str, request: Request, reply_type: type[Reply]) -> Reply:
        """The reply to what only servers of ours answer."""
        try:
            with self._explained(but=GRPCError):
                return await self._ask(_OURS + method, request, reply_type)
        except GRPCError as error:
            if error.status is not Status.UNIMPLEMENTED:
                raise explained(error, self.target, self.settings) from error
            what = f"{self.target.text} cannot answer this: it is a Hubble server, or an older Rubin"
            raise RubinError(what, "--server with the address of a Rubin agent") from error

    async def _ask(self, method: str, request: Request, reply_type: type[Reply]) -> Reply:
        late = GRPCError(Status.DEADLINE_EXCEEDED)
        try:
            async with (
                asyncio.timeout(self.settings.request_timeout_s),
                self._open(method, Cardinality.UNARY_UNARY, request, reply_type) as stream,
            ):
                await self._begin(stream, request)
                reply = await stream.recv_message()
        except TimeoutError as error:
            raise late from error
        if asking.narrowing() and method.startswith(_OURS) and asking.NARROWED not in self.server_headers:
            raise GRPCError(Status.PERMISSION_DENIED, "an older Rubin, which cannot leave out what is not to be seen")
        if reply is None:
            raise GRPCError(Status.UNKNOWN, "an answer without a message")
        return reply

    def _open(
        self,
        method: str,
        kind: Cardinality,
        request: Request,
        reply_type: type[Reply],
        wishes: Wishes | None = None,
    ) -> Stream[Request, Reply]:
        metadata = self._headers | asking.narrowing() | (wishes.metadata() if wishes else {})
        return self._channel.request(method, kind, type(request), reply_type, metadata=metadata)

    async def _begin(self, stream: Stream[Request, Reply], request: Request) -> None:
        await stream.send_message(request, end=True)
        try:
            await stream.recv_initial_metadata()
        except GRPCError as error:
            raise true_answer(stream, error) from error
        found: Mapping[str, Any] = stream.initial_metadata or {}
        self.server_headers = found
        self.server_version = next((str(found[name]) for name in _VERSIONS if name in found), "")
        self.is_relay = _VERSIONS[1] in found

    @contextmanager
    def _explained(self, but: type[Exception] | tuple[()] = ()) -> Iterator[None]:
        try:
            yield
        except but:
            raise
        except TROUBLES as error:
            raise explained(error, self.target, self.settings) from error

"""The questions as methods of our column service."""

import json
from collections.abc import Callable, Mapping

from grpclib.const import Handler

from rubin.api.service import unary
from rubin.relay.pool import Pool
from rubin.relay.questions.endpoints import endpoints
from rubin.relay.questions.explain import explained
from rubin.relay.questions.nodes import Nodes
from rubin.relay.questions.status import status
from rubin.relay.questions.top import top
from rubin.relay.questions.trace import traced
from rubin.wire.pb import rubin_pb2 as pb


class Questions:
    """Answers for the nodes of a pool; `methods()` are what a server registers beside the flows."""

    def __init__(
        self,
        pool: Pool,
        node_name: str,
        late: Mapping[str, int],
        also: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        """`late`: how many flows of each node came late. `also`: what else is told of the relay itself."""
        self._nodes, self._node_name, self._late, self._also = Nodes(pool), node_name, late, also

    def methods(self) -> dict[str, Handler]:
        """Of `rubin.Columns`, by name. Clients ask nodes for no more than the asker may see."""
        return {
            "Status": unary(self.status, pb.StatusRequest, pb.StatusResponse, readers=True),
            "Endpoints": unary(self.endpoints, pb.EndpointsRequest, pb.EndpointsResponse, readers=True),
            "Top": unary(self.top, pb.TopRequest, pb.TopResponse, readers=True),
            "Trace": unary(self.trace, pb.TraceRequest, pb.TraceResponse, readers=True),
            "Explain": unary(self.explain, pb.ExplainRequest, pb.ExplainResponse, readers=True),
        }

    async def status(self, _request: pb.StatusRequest) -> pb.StatusResponse:
        """One JSON object: the relay, and its nodes."""
        told = await status(self._nodes, self._node_name, self._late)
        return pb.StatusResponse(json=json.dumps(told | dict(self._also())))

    async def endpoints(self, request: pb.EndpointsRequest) -> pb.EndpointsResponse:
        """A list of JSON objects."""
        return pb.EndpointsResponse(json=json.dumps(await endpoints(self._nodes, request)))

    async def top(self, request: pb.TopRequest) -> pb.TopResponse:
        """One JSON object, or a part for another relay."""
        return await top(self._nodes, request)

    async def trace(self, request: pb.TraceRequest) -> pb.TraceResponse:
        """One JSON object."""
        return pb.TraceResponse(json=json.dumps(await traced(self._nodes, request)))

    async def explain(self, request: pb.ExplainRequest) -> pb.ExplainResponse:
        """One JSON object."""
        return pb.ExplainResponse(json=json.dumps(await explained(self._nodes, request)))

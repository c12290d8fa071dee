"""Our own service beside Hubble's: the same questions, answered in columns; and the agent's status."""

import asyncio
import json
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

from grpclib.server import Stream

from rubin.api.framing import send_framed
from rubin.api.promises import Lateness, Promises
from rubin.api.reading import Reading
from rubin.api.selection import selection_of
from rubin.api.service import Service, streaming, unary
from rubin.api.told import Promise, Wishes
from rubin.api.wakes import Wakes
from rubin.model.batch import FlowBatch
from rubin.query.explain import explain
from rubin.query.question import DEFAULT_BY, SORTS, Question
from rubin.query.top import top
from rubin.query.trace import trace
from rubin.store.ring import Ring
from rubin.wire import frames
from rubin.wire.pb.observer_pb2 import GetFlowsRequest
from rubin.wire.pb.rubin_pb2 import (
    ColumnFrame,
    EndpointsRequest,
    EndpointsResponse,
    ExplainRequest,
    ExplainResponse,
    StatusRequest,
    StatusResponse,
    TopRequest,
    TopResponse,
    TraceRequest,
    TraceResponse,
)

SERVICE = "rubin.Columns"
_ROWS = 16_384  # each frame carries the table rows that it uses, so larger ones share more


class Columns:
    """Answers from a ring; `status` and `endpoints` give what `rubin status` and `rubin get` print."""

    def __init__(
        self,
        ring: Ring,
        wakes: Wakes,
        node_name: str,
        status: Callable[[], Mapping[str, Any]],
        endpoints: Callable[[str, int], list[Any]],
    ) -> None:
        self._ring, self._wakes, self._node_name = ring, wakes, node_name
        self._status, self._endpoints = status, endpoints
        self._lateness = Lateness()
        self._looking = asyncio.Lock()  # one at a time looks through the whole ring: memory stays bounded

    def service(self) -> Service:
        """The methods of `proto/rubin.proto`."""
        methods = {
            "GetFlows": streaming(self.get_flows, GetFlowsRequest, ColumnFrame),
            "Status": unary(self.status, StatusRequest, StatusResponse),
            "Endpoints": unary(self.endpoints, EndpointsRequest, EndpointsResponse),
            "Top": unary(self.top, TopRequest, TopResponse),
            "Trace": unary(self.trace, TraceRequest, TraceResponse),
            "Explain": unary(self.explain, ExplainRequest, ExplainResponse),
        }
        return Service(SERVICE, methods)

    async def get_flows(self, stream: Stream[GetFlowsRequest, ColumnFrame], request: GetFlowsRequest) -> None:
        """Flows and losses as column frames. The field mask is the reader's to apply."""
        selection = selection_of(request)
        await stream.send_initial_metadata()
        wishes = Wishes.of(stream.metadata or {})
        promises = Promises(self._ring, wishes.promises_s, self._lateness)
        reading = Reading(self._ring, self._wakes, selection, self._node_name, min(_ROWS, wishes.rows), promises)
        async with aclosing(aiter(reading)) as batches:
            async for batch in batches:
                encoded = message(batch, promises.now())
                del batch  # or it would keep its segment alive while a slow client reads
                await send_framed(stream, encoded)

    async def status(self, _request: StatusRequest) -> StatusResponse:
        """One JSON object."""
        return StatusResponse(json=json.dumps(self._status()))

    async def endpoints(self, request: EndpointsRequest) -> EndpointsResponse:
        """A list of JSON objects."""
        found = await asyncio.to_thread(self._endpoints, request.who, request.time_ns)  # it may look through the ring
        return EndpointsResponse(json=json.dumps(found))

    async def top(self, request: TopRequest) -> TopResponse:
        """One JSON object."""
        selection = selection_of(request.flows)
        question = Question(
            by=request.by or DEFAULT_BY,
            sort=request.sort or SORTS[0],
            number=request.number,
            filters=selection.filters,
            since_ns=selection.since_ns,
            until_ns=selection.until_ns,
        )
        async with self._looking:
            found = await asyncio.to_thread(top, self._ring, question, time.time_ns())
        return TopResponse(json=json.dumps(found))

    async def trace(self, request: TraceRequest) -> TraceResponse:
        """One JSON object."""
        async with self._looking:
            found = await asyncio.to_thread(trace, self._ring, request.uuid, request.trace_id)
        return TraceResponse(json=json.dumps(found))

    async def explain(self, request: ExplainRequest) -> ExplainResponse:
        """One JSON object."""
        async with self._looking:
            found = await asyncio.to_thread(explain, self._ring, request.flow, request.source, request.destination)
        return ExplainResponse(json=json.dumps(found))


def message(batch: FlowBatch, promise: Promise | None = None, is_late: bool = False) -> bytes:
    """A ColumnFrame with its gRPC head, without protobuf's copies of the megabyte in it."""
    frame = frames.encode(batch) if len(batch) or batch.lost else b""
    rest = ColumnFrame(is_late=is_late)
    if promise is not None:
        rest.promise_ns, rest.is_live = promise
    after = rest.SerializeToString()
    length, size = bytearray(b"\x0a"), len(frame)  # field 1, length-delimited
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return b"".join((struct.pack(">BI", 0, len(length) + len(frame) + len(after)), length, frame, after))

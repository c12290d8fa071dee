"""Our own service beside Hubble's: the same questions, answered in columns; and the agent's status."""

import asyncio
import json
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

import numpy as np
from grpclib.server import Stream

from rubin.api import asking
from rubin.api.framing import send_framed
from rubin.api.promises import Lateness, Promises
from rubin.api.reading import Reading
from rubin.api.seen import seen
from rubin.api.selection import selection_of
from rubin.api.service import Service, streaming, unary
from rubin.api.told import Promise, Wishes
from rubin.api.wakes import Wakes
from rubin.model.batch import FlowBatch
from rubin.query.explain import explain
from rubin.query.question import DEFAULT_BY, SORTS, Question
from rubin.query.top import top
from rubin.query.top_parts import connections, part
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
_WHAT = ("node", "agent_version", "relay_version")
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
            "GetFlows": streaming(self.get_flows, GetFlowsRequest, ColumnFrame, readers=True),
            "Status": unary(self.status, StatusRequest, StatusResponse, readers=True),
            "Endpoints": unary(self.endpoints, EndpointsRequest, EndpointsResponse, readers=True),
            "Top": unary(self.top, TopRequest, TopResponse, readers=True),
            "Trace": unary(self.trace, TraceRequest, TraceResponse, readers=True),
            "Explain": unary(self.explain, ExplainRequest, ExplainResponse, readers=True),
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
                asking.note_flows(len(batch))
                del batch  # or it would keep its segment alive while a slow client reads
                await send_framed(stream, encoded)

    async def status(self, _request: StatusRequest) -> StatusResponse:
        """One JSON object; of it the numbers for who may see some namespaces only."""
        told = self._status() if asking.sight().is_all else numbers(self._status())
        return StatusResponse(json=json.dumps(told), time_ns=time.time_ns())

    async def endpoints(self, request: EndpointsRequest) -> EndpointsResponse:
        """A list of JSON objects, of those that may be seen."""
        sight = asking.sight()
        found = await asyncio.to_thread(self._endpoints, request.who, request.time_ns)  # it may look through the ring
        told = [one for one in found if sight.is_all or any(map(sight.sees, _namespaces(one)))]
        return EndpointsResponse(json=json.dumps(told))

    async def top(self, request: TopRequest) -> TopResponse:
        """One JSON object; a part of a relay's answer where that is asked for."""
        question = question_of(request)
        async with self._looking:
            return await asyncio.to_thread(_top, self._ring, request, question)

    async def trace(self, request: TraceRequest) -> TraceResponse:
        """One JSON object."""
        async with self._looking:
            found = await asyncio.to_thread(trace, seen(self._ring, asking.sight()), request.uuid, request.trace_id)
        return TraceResponse(json=json.dumps(found))

    async def explain(self, request: ExplainRequest) -> ExplainResponse:
        """One JSON object."""
        ring = seen(self._ring, asking.sight())
        async with self._looking:
            found = await asyncio.to_thread(explain, ring, request.flow, request.source, request.destination)
        return ExplainResponse(json=json.dumps(found))


def question_of(request: TopRequest) -> Question:
    """What is asked for. Raises UsageError."""
    selection = selection_of(request.flows)
    question = Question(
        by=request.by or DEFAULT_BY,
        sort=request.sort or SORTS[0],
        number=request.number,
        filters=selection.filters,
        since_ns=selection.since_ns,
        until_ns=selection.until_ns,
    )
    question.check()
    return question


def _top(ring: Ring, request: TopRequest, question: Question) -> TopResponse:
    now_ns = time.time_ns()
    if request.kind == TopRequest.CONNECTIONS:
        found = connections(ring, question, now_ns, request.number)
        return TopResponse(inbound=found.inbound.tobytes(), outbound=found.outbound.tobytes(), left_out=found.left_out)
    if request.kind == TopRequest.PART:
        whole = len(request.elsewhere) // 8 * 8
        elsewhere = np.frombuffer(request.elsewhere[:whole], np.uint64)
        return TopResponse(json=json.dumps(part(ring, question, now_ns, elsewhere)))
    return TopResponse(json=json.dumps(top(ring, question, now_ns)))


def numbers(told: Mapping[str, Any]) -> dict[str, Any]:
    """What of a status is counted and measured, and what answers; other words may be names."""
    kept = {name: numbers(value) if isinstance(value, Mapping) else value for name, value in told.items()}
    return {name: value for name, value in kept.items() if name in _WHAT or isinstance(value, int | float | dict)}


def _namespaces(endpoint: Mapping[str, Any]) -> tuple[str, str]:
    """Its own, and its service's."""
    namespace, slash, _ = str(endpoint.get("service", "")).partition("/")
    return str(endpoint.get("namespace", "")), namespace if slash else ""


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

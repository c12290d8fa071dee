"""grpc.health.v1 under the name that Hubble's clients ask for, and for the whole server."""

import asyncio

from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpclib.server import Stream

from rubin.api.service import Service, streaming, unary

OBSERVER = "hubble.server.Observer"
_KNOWN = ("", OBSERVER)


def health_service() -> Service:
    """SERVING for as long as the server answers at all."""
    methods = {
        "Check": unary(_check, HealthCheckRequest, HealthCheckResponse),
        "Watch": streaming(_watch, HealthCheckRequest, HealthCheckResponse),
    }
    return Service("grpc.health.v1.Health", methods)


async def _check(request: HealthCheckRequest) -> HealthCheckResponse:
    if request.service not in _KNOWN:
        raise GRPCError(Status.NOT_FOUND, f"unknown service {request.service}")
    return HealthCheckResponse(status=HealthCheckResponse.SERVING)


async def _watch(stream: Stream[HealthCheckRequest, HealthCheckResponse], request: HealthCheckRequest) -> None:
    known = request.service in _KNOWN
    status = HealthCheckResponse.SERVING if known else HealthCheckResponse.SERVICE_UNKNOWN
    await stream.send_message(HealthCheckResponse(status=status))
    await asyncio.Event().wait()  # ends with the connection or the server

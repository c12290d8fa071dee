"""grpc.health.v1 under the name that Hubble's clients ask for, and for the whole server."""

import asyncio
from collections.abc import Callable

from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpclib.server import Stream

from rubin.api.service import Service, streaming, unary

OBSERVER = "hubble.server.Observer"
_KNOWN = ("", OBSERVER)
_LOOK_S = 1.0


def health_service(is_serving: Callable[[], bool] = lambda: True) -> Service:
    """SERVING for as long as the server answers at all, or as `is_serving` says."""

    def status() -> HealthCheckResponse:
        state = HealthCheckResponse.SERVING if is_serving() else HealthCheckResponse.NOT_SERVING
        return HealthCheckResponse(status=state)

    async def check(request: HealthCheckRequest) -> HealthCheckResponse:
        if request.service not in _KNOWN:
            raise GRPCError(Status.NOT_FOUND, f"unknown service {request.service}")
        return status()

    async def watch(stream: Stream[HealthCheckRequest, HealthCheckResponse], request: HealthCheckRequest) -> None:
        told = HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN)
        if request.service not in _KNOWN:
            await stream.send_message(told)
            await asyncio.Event().wait()  # ends with the connection or the server
        while True:
            if (now := status()) != told:
                told = now
                await stream.send_message(told)
            await asyncio.sleep(_LOOK_S)

    methods = {
        "Check": unary(check, HealthCheckRequest, HealthCheckResponse),
        "Watch": streaming(watch, HealthCheckRequest, HealthCheckResponse),
    }
    return Service("grpc.health.v1.Health", methods)

"""A foreign server: grpcio's, which offers only Hubble's services and says what a test wants it to."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

from rubin.wire.pb import observer_pb2 as pb


class _Observer(grpc.GenericRpcHandler):  # type: ignore[type-arg, unused-ignore]
    """`answer(method, request bytes, context)` gives a stream's messages or one reply."""

    def __init__(self, answer: Callable[[str, bytes, Any], Any], service: str) -> None:
        self._answer, self._service = answer, service

    def service(self, handler_call_details: Any) -> Any:
        service, _, method = handler_call_details.method[1:].partition("/")
        if service != self._service:
            return None

        def call(request: bytes, context: Any) -> Any:
            return self._answer(method, request, context)

        serializer: Callable[[Any], bytes] = lambda message: message.SerializeToString()  # noqa: E731
        if method in ("GetFlows", "GetAgentEvents"):
            return grpc.unary_stream_rpc_method_handler(call, response_serializer=serializer)
        return grpc.unary_unary_rpc_method_handler(call, response_serializer=serializer)


@contextmanager
def hubble(
    answer: Callable[[str, bytes, Any], Any],
    credentials: grpc.ServerCredentials | None = None,
    service: str = "observer.Observer",
) -> Iterator[str]:
    """The address of a Hubble server that answers so."""
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((_Observer(answer, service),))
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def flow_response(number: int) -> pb.GetFlowsResponse:
    """A small flow with this source port."""
    response = pb.GetFlowsResponse(node_name="foreign")
    response.time.seconds = response.flow.time.seconds = number
    response.flow.node_name = "foreign"
    response.flow.l4.TCP.source_port = number
    response.flow.l4.TCP.destination_port = 80
    response.flow.IP.source, response.flow.IP.destination = "10.0.0.1", "10.0.0.2"
    response.flow.IP.ipVersion = 1  # type: ignore[assignment]
    return response

"""A gRPC service from plain functions: request in, reply or stream out, errors as gRPC knows them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from rubin.api import asking
from rubin.api.framing import SERVER_STOPS, StreamClosedError, has_left
from rubin.errors import RubinError

Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)


def unary(
    answer: Callable[[Request], Awaitable[Reply]],
    request_type: type[Request],
    reply_type: type[Reply],
    readers: bool = False,
) -> Handler:
    """A method with one request and one reply.

    With `readers` it keeps to `asking.sight()`; one that does not is answered to those only who may see everything.
    """

    async def handle(stream: Stream[Request, Reply]) -> None:
        if not readers:
            asking.need_everything()
        request = await _received(stream)
        try:
            reply = await answer(request)
        except RubinError as error:
            raise GRPCError(Status.INVALID_ARGUMENT, str(error)) from error
        await stream.send_message(reply)

    return Handler(handle, Cardinality.UNARY_UNARY, request_type, reply_type)


def streaming(
    answer: Callable[[Stream[Request, Reply], Request], Awaitable[None]],
    request_type: type[Request],
    reply_type: type[Reply],
    readers: bool = False,
) -> Handler:
    """A method with one request and a stream of replies, which `answer` sends itself. `readers` as with `unary`."""

    async def handle(stream: Stream[Request, Reply]) -> None:
        if not readers:
            asking.need_everything()
        request = await _received(stream)
        try:
            await answer(stream, request)
        except RubinError as error:
            raise GRPCError(Status.INVALID_ARGUMENT, str(error)) from error
        except StreamClosedError as error:
            raise asyncio.CancelledError from error  # grpclib logs any other end of a request that was given up
        except asyncio.CancelledError as error:
            if SERVER_STOPS in error.args and not has_left(stream):
                raise GRPCError(Status.UNAVAILABLE, SERVER_STOPS) from error
            raise

    return Handler(handle, Cardinality.UNARY_STREAM, request_type, reply_type)


async def _received(stream: Stream[Request, Any]) -> Request:
    try:
        request = await stream.recv_message()
    except NotImplementedError as error:
        raise GRPCError(Status.UNIMPLEMENTED, "compressed requests are not supported") from error
    except (DecodeError, AssertionError) as error:
        raise GRPCError(Status.INVALID_ARGUMENT, "the request is no message of this method") from error
    if request is None:
        raise GRPCError(Status.INVALID_ARGUMENT, "the request is missing")
    asking.note_request(request)
    return request


class Service:
    """Named methods under a service's name, as grpclib wants them."""

    def __init__(self, name: str, methods: dict[str, Handler]) -> None:
        self._methods = {f"/{name}/{method}": handler for method, handler in methods.items()}

    def __mapping__(self) -> dict[str, Handler]:
        return self._methods

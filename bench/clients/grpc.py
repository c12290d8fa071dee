"""Unary calls by grpclib, several at once on a connection, and their server."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice

from google.protobuf.wrappers_pb2 import Int64Value
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Server, Stream

from bench.clients.pace import Exchange

_METHODS = 40  # some headers are indexed by HPACK, some are not
_AT_ONCE = 8
_CALLS = (Status.OK, Status.OK, Status.OK, Status.NOT_FOUND, Status.UNAVAILABLE)
_OK = "200"


def truth(seed: int, number: int) -> Exchange:
    """The method that is called, and its status."""
    del seed
    status = _CALLS[number % len(_CALLS)]
    return "POST", f"/bench.Answers/Call{number % _METHODS}", _OK, "" if status is Status.OK else status.name


def ask(address: str, port: int, seed: int, numbers: Iterable[int]) -> None:
    """Calls, some at once."""
    asyncio.run(_ask(address, port, seed, iter(numbers)))


async def _ask(address: str, port: int, seed: int, numbers: Iterator[int]) -> None:
    async with Channel(address, port) as channel:
        while some := list(islice(numbers, _AT_ONCE)):
            await asyncio.gather(*(_call(channel, truth(seed, number)[1], number) for number in some))


async def _call(channel: Channel, path: str, number: int) -> None:
    method: UnaryUnaryMethod[Int64Value, Int64Value] = UnaryUnaryMethod(channel, path, Int64Value, Int64Value)
    with suppress(GRPCError):
        await method(Int64Value(value=number))


class _Answers:
    """The service, as grpclib wants it."""

    def __mapping__(self) -> dict[str, Handler]:
        handler = Handler(self.answer, Cardinality.UNARY_UNARY, Int64Value, Int64Value)
        return {truth(0, number)[1]: handler for number in range(_METHODS)}

    async def answer(self, stream: Stream[Int64Value, Int64Value]) -> None:
        """The number itself, or a status."""
        number = await stream.recv_message()
        assert number is not None
        status = _CALLS[number.value % len(_CALLS)]
        if status is not Status.OK:
            raise GRPCError(status)
        await stream.send_message(number)


def serve(address: str, port: int) -> None:
    """Until the process ends."""

    async def forever() -> None:
        server = Server([_Answers()])
        await server.start(address, port)
        await server.wait_closed()

    asyncio.run(forever())

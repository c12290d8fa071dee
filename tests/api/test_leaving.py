"""Clients that leave, and servers that stop, leave no word in the log."""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

import pytest
from grpclib.const import Cardinality
from grpclib.exceptions import StreamTerminatedError
from grpclib.server import Stream

from rubin.api.framing import Channel, Server, StreamClosedError, channel_configuration
from rubin.api.service import Service, streaming
from rubin.wire.pb.observer_pb2 import GetFlowsRequest, GetFlowsResponse

ENDS = ("the client leaves", "it leaves while we send", "it leaves and the server stops")


async def _followed(path: str, ends: str) -> None:
    """A request that ends so while it is being answered."""
    over = asyncio.Event()

    async def answer(stream: Stream[GetFlowsRequest, GetFlowsResponse], _request: GetFlowsRequest) -> None:
        await stream.send_message(GetFlowsResponse())
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if ends == ENDS[1]:
                raise StreamClosedError(1) from None  # as `send_framed` finds it
            raise
        finally:
            over.set()

    server = Server([Service("a.B", {"C": streaming(answer, GetFlowsRequest, GetFlowsResponse)})])
    await server.start(path=path)
    channel = Channel(path=path, config=channel_configuration(None))
    await channel.dial()
    with suppress(StreamTerminatedError):
        async with channel.request("/a.B/C", Cardinality.UNARY_STREAM, GetFlowsRequest, GetFlowsResponse) as stream:
            await stream.send_message(GetFlowsRequest(), end=True)
            await stream.recv_message()
            (protocol,) = server._protocols
            stopping = asyncio.create_task(server.dismiss() if ends == ENDS[2] else asyncio.sleep(0))
            await asyncio.sleep(0)
            protocol.connection_lost(None)
            await stopping
    await over.wait()
    await channel.hang_up()
    server.close()
    server.hang_up()
    await server.wait_closed()


@pytest.mark.parametrize("ends", ENDS)
def test_who_leaves_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture, ends: str):
    caplog.set_level(logging.WARNING)
    asyncio.run(_followed(str(tmp_path / "s"), ends))
    assert caplog.text == ""

"""Hubble's messages, one by one as they come, to batches: large when they come fast, at once when slow."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from rubin.api.told import Told
from rubin.model.tables import Tables
from rubin.wire.decode import batch_from_messages
from rubin.wire.pb.observer_pb2 import GetFlowsResponse

_MOST = 4_096
_Queue = asyncio.Queue[GetFlowsResponse | None]


async def gathered(replies: AsyncIterator[GetFlowsResponse]) -> AsyncGenerator[Told, None]:
    """Flows and losses in batches, and news of nodes. At most two batches wait here."""
    queue: _Queue = asyncio.Queue(_MOST)
    reader = asyncio.create_task(_read(replies, queue))
    tables = Tables()
    try:
        while messages := await _waiting(queue):
            for message in messages:
                if message.HasField("node_status"):
                    yield Told(status=message)
            tables = Tables() if tables.full else tables
            found = [message for message in messages if not message.HasField("node_status")]
            if found:
                yield Told(batch_from_messages(found, tables))
        await reader  # raises what ended the stream
    finally:
        reader.cancel()
        await asyncio.wait({reader})


async def _read(replies: AsyncIterator[GetFlowsResponse], queue: _Queue) -> None:
    try:
        async for reply in replies:
            await queue.put(reply)
    except Exception:
        await queue.put(None)
        raise
    await queue.put(None)


async def _waiting(queue: _Queue) -> list[GetFlowsResponse]:
    """What has come, at least one message; [] at the end."""
    messages = []
    message = await queue.get()
    while message is not None:
        messages.append(message)
        if len(messages) >= _MOST or queue.empty():
            return messages
        message = queue.get_nowait()
    if messages:
        queue.put_nowait(None)
    return messages

"""A feed on a thread of its own: whatever it has to read, the keys are answered."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Self, TypeVar

from rubin.api.client import Client
from rubin.ui.feed import Feed

T = TypeVar("T")


class Following:
    """`with Following(feed):` follows until it is left; questions go to the server beside it.

    `trouble` is what ended it before that, "" while it goes on.
    """

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.trouble = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop)
        self._thread.join()

    async def ask(self, question: Callable[[Client], Awaitable[T]]) -> T:
        """What the question makes of a client of its own. Raises RubinError."""

        async def asked() -> T:
            return await self.feed.ask(question)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked(), self._loop))

    def _stop(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
        self._loop.stop()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """By a fault of ours: questions are still answered, and the state line says it."""
        if not task.cancelled():
            self.trouble = f"following has ended: {task.exception()}"

    def _run(self) -> None:
        self._task = self._loop.create_task(self.feed.run())
        self._task.add_done_callback(self._ended)
        self._loop.run_forever()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

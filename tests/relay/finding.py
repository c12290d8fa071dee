"""A source of nodes on a loop of its own, and what it told last."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rubin.relay.discovery.source import Source
from rubin.relay.discovery.sources import Sources
from rubin.relay.pool import Found
from tests.waiting import wait_for


class Finding:
    """`found` is what was told last, None before."""

    def __init__(self, source: Source | Sources) -> None:
        self.source = source
        self.told: list[list[Found]] = []

    def tell(self, found: Iterable[Found]) -> None:
        """Who the source tells."""
        self.told.append(list(found))

    def found(self) -> list[Found] | None:
        """What was told last."""
        return self.told[-1] if self.told else None

    def addresses(self) -> list[str] | None:
        """Of what was told last."""
        return None if not self.told else [one.address for one in self.told[-1]]

    def wait(self, *addresses: str) -> list[Found]:
        """Until exactly these are told."""
        try:
            wait_for(lambda: self.addresses() == list(addresses), f"{addresses}")
        except AssertionError as error:
            raise AssertionError(f"{error}; told {self.addresses()}; {self.trouble()}") from error
        return self.told[-1]

    def trouble(self) -> str:
        """What the source says is wrong, "" where nothing is."""
        assert isinstance(self.source, Source)
        return " / ".join(self.source.trouble) if self.source.trouble else ""

    def says(self, words: str) -> str:
        """Wait until these words are in what is wrong; "": until nothing is."""
        is_so: Callable[[], bool] = lambda: words in self.trouble() if words else not self.trouble()  # noqa: E731
        try:
            wait_for(is_so, f"'{words}'")
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.trouble()}") from error
        return self.trouble()


@contextmanager
def finding(source: Source | Sources) -> Iterator[Finding]:
    """The source as it runs, ended and without faults at the end."""
    made, loop = Finding(source), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    running = asyncio.run_coroutine_threadsafe(_run(source, made), loop)
    try:
        yield made
        assert not running.done(), running.exception()
    finally:
        running.cancel()
        asyncio.run_coroutine_threadsafe(_ended(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _run(source: Source | Sources, made: Finding) -> None:
    await source.run(made.tell)


async def _ended() -> None:
    """All that was cancelled has ended."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()

"""A view: what some tabs look at, computed once for all of them."""

from collections.abc import Iterator
from typing import Protocol

from rubin.model.batch import FlowBatch, Lost, empty
from rubin.model.enums import LostSource
from rubin.model.filter import Filters
from rubin.query.picture import chosen
from rubin.store.cursor import Cursor
from rubin.store.ring import Ring
from rubin.ui.feed import Feed, Gap
from rubin.ui.frames import Body, Dictionary
from rubin.ui.views.asked import Asked


class View(Protocol):
    """`prepare` looks through what is held, on any thread; `tick` then gives frames, on the loop's, again and again."""

    every_s: float
    """Seconds between two ticks."""

    def prepare(self) -> None:
        """Once."""

    def tick(self) -> Body | None:
        """What is new; None: nothing is."""

    def snapshot(self) -> Body:
        """For a tab that has seen nothing yet; on the loop's thread."""


class Lens:
    """The flows that one question is about: those that were held when it was asked, then those that come.

    `missed` counts those that the ring overwrote before they were read here.
    """

    def __init__(self, feed: Feed, asked: Asked, dictionary: Dictionary) -> None:
        self.feed, self.asked, self.dictionary = feed, asked, dictionary
        self.filters: Filters | None = asked.filters()
        self.cursor = Cursor(feed.ring, feed.ring.next_row)
        self.missed = 0
        self._told = feed.gaps[-1] if feed.gaps else None

    @property
    def ring(self) -> Ring:
        """Of the feed."""
        return self.feed.ring

    def held(self, newest_first: bool = False) -> Iterator[FlowBatch]:
        """What was held when the question was asked, of its time."""
        time = self.asked.time
        since_ns = self.feed.now_ns() - time.window_ns if time.is_live else time.since_ns
        until_ns = None if time.is_live else time.until_ns
        return self.scan(since_ns, until_ns, newest_first)

    def scan(self, since_ns: int | None, until_ns: int | None, newest_first: bool = False) -> Iterator[FlowBatch]:
        """What was held when the question was asked, of a time; both ends belong to it."""
        end = self.cursor.row
        views = self.ring.scan(None, end, newest_first, since_ns=since_ns, until_ns=until_ns)
        return (chosen(view, self.filters, since_ns, until_ns) for view in views)

    def new(self) -> Iterator[FlowBatch]:
        """All that has come since the last time, a span at a time, with the losses, of which some may be this one's."""
        end = self.ring.next_row
        while True:
            for view in self.cursor.read():
                yield chosen(view, self.filters, None, None)
            if self.cursor.row >= end:
                break
        if missed := self.cursor.take_overtaken():
            self.missed += missed
            lost = Lost(LostSource.HUBBLE_RING_BUFFER, missed, self.feed.now_ns(), place="memory of the UI")
            yield empty(lost=(lost,))

    def lately(self, seconds: float) -> int:
        """How many flows of the last seconds were held when the question was asked."""
        return sum(map(len, self.scan(self.feed.now_ns() - int(seconds * 1e9), None)))

    def gaps(self) -> list[Gap]:
        """The breaks of the feed since the last time."""
        new = self.feed.gaps_after(self._told)
        self._told = new[-1] if new else self._told
        return new

"""A view: what some tabs look at, computed once for all of them."""

from collections.abc import Iterator
from typing import Protocol

from rubin.model.batch import FlowBatch
from rubin.model.filter import Filters
from rubin.query.picture import chosen
from rubin.store.cursor import Cursor
from rubin.store.ring import Ring
from rubin.ui.feed import Feed
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
    """The flows that one question is about: those that were held when it was asked, then those that come."""

    def __init__(self, feed: Feed, asked: Asked, dictionary: Dictionary) -> None:
        self.feed, self.asked, self.dictionary = feed, asked, dictionary
        self.filters: Filters | None = asked.filters()
        self.cursor = Cursor(feed.ring, feed.ring.next_row)

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

    def new(self) -> list[FlowBatch]:
        """What has come since the last time, with the losses."""
        return [chosen(view, self.filters, None, None) for view in self.cursor.read()]

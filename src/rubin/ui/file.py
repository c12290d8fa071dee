"""What a user interface knows where there is no server: the flows of a file, read once, shown as of the file's end."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar
from urllib.parse import urlencode

import numpy as np

from rubin.api.client import Client
from rubin.api.target import ClientSettings
from rubin.errors import RubinError
from rubin.model.batch import FlowBatch, adopt
from rubin.model.tables import Tables
from rubin.ui.feed import Feed, FeedState, Gap
from rubin.words.times import Clock

T = TypeVar("T")

_MS_NS = 1_000_000
_CLOCK, _PAGE_CLOCK = Clock("RFC3339"), Clock("RFC3339Milli")


class Recorded(Feed):
    """A feed that has come to its end. `read` before it is served; `now_ns` is the end of what was recorded."""

    def __init__(self, name: str, capacity: int = 1_000_000, span_ns: tuple[int, int] | None = None) -> None:
        """`span_ns`: from when until when was recorded; None: from the first flow to the last."""
        super().__init__(ClientSettings(), capacity)
        self.state = FeedState("following", name, since_s=time.time(), is_file=True)
        self._span_ns = span_ns
        self._first_ns = 0

    def read(self, batches: Iterable[FlowBatch]) -> None:
        """Hold them. What is wrong behind some flows is told in `state` and as a gap; raises RubinError before any."""
        trouble = RubinError("", "")
        tables = Tables()
        try:
            for batch in batches:
                tables = Tables() if tables.full else tables
                self._hold(adopt(batch, tables))
        except RubinError as error:
            if not self.flows:
                raise
            trouble = error
        if not self._newest_ns:
            what = "holds flows that say no times" if self.flows else "holds no flows"
            raise RubinError(f"{self.state.target} {what}", "rubin replay prints what there is")
        self._first_ns = self._oldest_held_ns()
        self._tell(trouble)

    @property
    def home(self) -> str:
        """The page that shows all of it."""
        span = {"since": self.oldest_ns() // _MS_NS * _MS_NS, "until": -(-self.now_ns() // _MS_NS) * _MS_NS}
        return f"/map?{urlencode({name: _PAGE_CLOCK.text(at) for name, at in span.items()}, safe=':')}"

    async def run(self) -> None:
        """Nothing more comes, until it is cancelled."""
        await asyncio.Event().wait()

    async def ask(self, _question: Callable[[Client], Awaitable[T]]) -> T:
        """Raises RubinError: there is nobody to ask."""
        raise RubinError(f"{self.state.target} is a file: no server is asked", "rubin ui --server HOST:PORT asks one")

    def now_ns(self) -> int:
        """The end of what was recorded."""
        return max(self._newest_ns, self._span_ns[1]) if self._span_ns else self._newest_ns

    def oldest_ns(self) -> int:
        """The time of the oldest flow held, or from when on all there was is held."""
        is_all = self._span_ns is not None and self.ring.first_row == 0
        return min(self._first_ns, self._span_ns[0]) if self._span_ns and is_all else self._first_ns

    @property
    def is_catching_up(self) -> bool:
        """Never: all has come."""
        return False

    def _hold(self, batch: FlowBatch) -> None:
        if len(batch):
            self._newest_ns = max(self._newest_ns, int(batch["time_ns"].max()))
        self.flows += len(batch)
        self.lost += sum(lost.events for lost in batch.lost)
        self.ring.append(batch)

    def _oldest_held_ns(self) -> int:
        """Of those with a time."""
        times = (view["time_ns"] for view in self.ring.scan(as_stored=True))
        return min(int(known.min()) for each in times if len(known := each[np.flatnonzero(each > 0)]))

    def _tell(self, trouble: RubinError) -> None:
        """What there is, what is wrong with it, and what of it is not held."""
        state, gone = self.state, self.flows - self.ring.held_flows
        span = f"from {_CLOCK.text(self.oldest_ns())} to {_CLOCK.text(self.now_ns())}"
        words = [state.target, f"{self.flows:,} flows", span]
        if gone:
            words.append(f"the first {gone:,} are not held")
            state.way_on = f"--capacity {self.flows} holds all"
        if trouble.sentence:
            words.append(f"what follows is missing: {trouble.sentence}")
            state.way_on = trouble.way_on
            self.gaps.append(Gap(self._newest_ns, self._newest_ns, trouble.sentence))
        state.sentence = ", ".join(words)

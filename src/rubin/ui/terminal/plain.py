"""Views as lines: no screen, no colours, no glyphs; for screen readers, pipes and terminals that can do no more."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from itertools import zip_longest

from rich.cells import cell_len

from rubin.api.client import Client
from rubin.errors import RubinError
from rubin.query.question import BY, SORTS
from rubin.store.ring import Ring
from rubin.ui.feed import Feed
from rubin.ui.terminal.answers import DNS, DROPS, Table, requests
from rubin.ui.terminal.asking import MOST_ROWS, Asking
from rubin.ui.terminal.conversations import COLUMNS as OF_CONVERSATIONS
from rubin.ui.terminal.conversations import conversation_cells, put_together, said_of
from rubin.ui.terminal.flows_view import ARROWS, flow_cells, lost_cells
from rubin.ui.terminal.flows_view import COLUMNS as OF_FLOWS
from rubin.ui.terminal.following import Following
from rubin.ui.terminal.health import health_lines, server_lines
from rubin.ui.terminal.looks import LOOKS, LOST, Cell, Column
from rubin.ui.terminal.matches import I64, Matches, Wanted
from rubin.ui.terminal.outputs import Outputs
from rubin.ui.terminal.typed import Question
from rubin.wire.filters import put_filters
from rubin.wire.pb.observer_pb2 import GetFlowsRequest
from rubin.words.text import clean
from rubin.words.times import SECOND_NS, Clock
from rubin.words.wording import Options, Wording

Cells = Sequence[Cell]

_TICK_S = 0.25
_AGAIN_S = 10.0
"""Between two pictures of a view that puts flows together."""
_GAP = "  "
_MARKED = ("VERDICT", "WORST", "DROPS", "ERRORS", "FAILED")
_MARKS = tuple(f"{look.glyph} " for look in (*LOOKS.values(), LOST))
_WORDS = {ARROWS[1]: "<-", ARROWS[0]: "->", ARROWS[-1]: "-"}
_PICTURES = ("WHEN",)


class Plain:
    """One view of a feed's server. `write` takes what is asked for, `say` sentences on how it goes."""

    def __init__(
        self,
        feed: Feed,
        question: Question,
        view: str,
        outputs: Outputs,
        write: Callable[[str], None],
        say: Callable[[str], None],
    ) -> None:
        self._feed, self._question, self._view, self._outputs = feed, question, view, outputs
        self._write, self._say = write, say
        self._wording = Wording(Options(clock=Clock("StampMilli"), node_name=True))

    # --- once

    def once(self, last: int) -> None:
        """What the server holds now: of flows the last so many that pass the filters. Raises RubinError."""
        asyncio.run(self._once(last))

    async def _once(self, last: int) -> None:
        feed = self._feed
        async with Client(feed.settings) as client:
            feed.state.is_ours = bool(await client.agent_status())
            if self._view != "health":
                async with aclosing(client.flows(self._request(last))) as batches:
                    async for batch in batches:
                        feed.ring.append(batch)
        if self._view == "flows":
            matches = self._matches(feed.ring)
            self._write(self._flows(matches, matches.lines) or "no flows\n")
        else:
            self._write(await self._text(Asking(feed, feed, time.time), is_followed=False))

    def _request(self, last: int) -> GetFlowsRequest:
        request = GetFlowsRequest(number=last)
        times = self._question.times_ns(time.time_ns())
        for field, time_ns in zip((request.since, request.until), times, strict=True):
            if time_ns is not None:
                field.FromNanoseconds(time_ns)
        if self._view == "flows":  # of requests both ways are needed, and a filter may pass one of them
            put_filters(request, list(self._question.allow), list(self._question.deny))
        return request

    # --- again and again

    def follow(self) -> None:
        """For ever. Raises RubinError where following has ended by a fault."""
        with Following(self._feed) as following:
            asking, said, seen, due_s = Asking(self._feed, following, time.time), "", -1, 0.0
            matches, was_following = self._matches(self._feed.ring), False
            while not following.trouble:
                said = self._said_state(said)
                is_following = self._feed.state.phase == "following"
                is_caught_up = due_s > 0 or (was_following and seen == self._feed.flows)  # what was held has come
                if self._view == "flows":
                    self._write(self._new(matches))
                elif is_caught_up and time.monotonic() >= due_s and is_following:
                    self._print(asking)
                    due_s = time.monotonic() + _AGAIN_S
                seen, was_following = self._feed.flows, is_following
                time.sleep(_TICK_S)
            raise RubinError(following.trouble, "rubin tui --plain --follow begins anew")

    def _said_state(self, before: str) -> str:
        """What was said last; something new is said."""
        state = self._feed.state
        if state.phase == "connecting":
            return before
        way_on = f"; try: {state.way_on}" if state.way_on else ""
        told = clean(f"{state.phase} {state.target}" if state.phase == "following" else f"{state.sentence}{way_on}")
        if told != before:
            self._say(told)
        return told

    def _new(self, matches: Matches) -> str:
        before = matches.dropped_lines + len(matches)
        matches.extend()
        return self._flows(matches, matches.lines[max(0, before - matches.dropped_lines) :])

    def _print(self, asking: Asking) -> None:
        try:
            self._write(asyncio.run(self._text(asking, is_followed=True)) + "\n")
        except RubinError as error:  # it is away; when it comes back is said
            self._say(clean(error.sentence))

    # --- texts

    def _matches(self, ring: Ring) -> Matches:
        since_ns, until_ns = self._question.times_ns(time.time_ns())
        matches = Matches(ring, Wanted(self._question.filters(), since_ns, until_ns))
        matches.extend()
        return matches

    def _flows(self, matches: Matches, codes: I64) -> str:
        """A line each, values without their columns: their widths are not known before all have come."""
        rows = codes[codes >= 0].copy()
        batch = matches.flows(rows)
        made = iter(flow_cells(batch, self._wording))
        gone = len(rows) - len(batch)
        found: list[Cells] = []
        for code in codes.tolist():
            if code < 0:
                found.append(lost_cells(matches.loss(code)))
            elif gone:
                gone -= 1
            else:
                found.append(next(made))
        lines = (_GAP.join(filter(None, _texts(OF_FLOWS, cells))) for cells in found)
        return "".join(f"{line}\n" for line in lines)

    async def _text(self, asking: Asking, is_followed: bool) -> str:
        question, view = self._question, self._view
        if view == "health":
            told = await asking.health()
            assert told is not None
            here = health_lines(self._feed, 0, told, self._outputs)
            lines = here if is_followed else server_lines(told, self._outputs)
            return "".join(f"{line}\n" for line in lines)
        table: Table
        if view == "conversations":
            matches = self._matches(self._feed.ring)
            found = put_together(matches)
            first = max(0, len(found.last) - MOST_ROWS)
            said = said_of(matches.ring, found.last[first:], self._wording)
            return self._headed(OF_CONVERSATIONS, conversation_cells(found, said, first), len(found.last))
        if view == "drops":
            table, answer = DROPS, await asking.drops(question)
        elif view == "dns":
            table, answer = DNS, await asking.names(question)
        else:
            by = "service" if view == "services" else next(iter(BY))
            table, answer = requests(by), await asking.requests(question, by, SORTS[0])
        return self._headed(table.columns, [table.cells(row) for row in answer["rows"]])

    def _headed(self, columns: Sequence[Column], rows: Sequence[Cells], total: int = 0) -> str:
        """`total`: how many there are, where these are the newest of them."""
        now = Clock("StampMilli").text(time.time_ns() // SECOND_NS * SECOND_NS)[: -len(".000")]
        count = f"{len(rows):,} {'line' if len(rows) == 1 else 'lines'}"
        count = f"the newest {len(rows):,} of {total:,} lines" if total > len(rows) else count
        head = f"{self._view}, {now}, {clean(self._question.chips) or 'all flows'}: {count}\n"
        return head + _aligned(columns, rows) if rows else head


def _texts(columns: Sequence[Column], cells: Cells) -> list[str]:
    """What stands in the cells, without glyphs; nothing for columns that are pictures."""
    return [
        _plain(column.title, cell.text)
        for column, cell in zip_longest(columns, cells, fillvalue=Cell(""))
        if isinstance(column, Column) and column.title not in _PICTURES
    ]


def _plain(title: str, text: str) -> str:
    if title in _MARKED:
        mark = next((mark for mark in _MARKS if text.startswith(mark)), "")
        return text.removeprefix(mark)
    return _WORDS.get(text, text)


def _aligned(columns: Sequence[Column], rows: Sequence[Cells]) -> str:
    """A heading and the rows, each column as wide as its widest cell."""
    shown = [column for column in columns if column.title not in _PICTURES]
    lines = [[column.title for column in shown], *(_texts(columns, cells) for cells in rows)]
    widths = [max(map(cell_len, each)) for each in zip(*lines, strict=True)]
    return "".join(f"{_GAP.join(map(_padded, line, widths, shown)).rstrip()}\n" for line in lines)


def _padded(text: str, width: int, column: Column) -> str:
    blanks = " " * (width - cell_len(text))
    return blanks + text if column.is_number else text + blanks

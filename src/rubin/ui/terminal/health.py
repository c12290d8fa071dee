"""Whether all is seen: how the server is followed, what it says of itself and its nodes, what was lost and where."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.style import Style

from rubin.ui.feed import Feed
from rubin.ui.terminal.asking import Health
from rubin.ui.terminal.looks import BAD, PLAIN, STRONG, Cell, Column
from rubin.ui.terminal.outputs import Outputs
from rubin.ui.terminal.view import LineView
from rubin.ui.terminal.wrapping import wrapped
from rubin.words.text import clean
from rubin.words.times import SECOND_NS, Clock, duration_text
from rubin.words.units import BYTES, scaled

_LEFT = 13
_WHOLE_PERCENT = 100
_CLOCK = Clock("StampMilli")
_LEAST_WIDTH = 20


def health_lines(feed: Feed, overtaken: int, told: Health | None, outputs: Outputs) -> list[str]:
    """Titles, and below each what is set in; "! " begins what is not as it should be. `overtaken`: flows that went from
    the ring before they were shown.
    """
    followed = ["Followed from here", *map(_set_in, _feed(feed, overtaken))]
    return [*followed, "", *server_lines(told, outputs)] if told else followed


def server_lines(told: Health, outputs: Outputs) -> list[str]:
    """What the server says, in the same way."""
    lines = ["Server", *_indented(outputs.server(told.status))]
    if told.nodes:
        lines += ["", "Nodes", *_indented(outputs.nodes(told.nodes))]
    if told.own:
        digest = [*map(_set_in, _node(told.own))]
        node = [f"Node {clean(str(told.own.get('node', '')))}".rstrip(), *digest, ""] if digest else []
        lines = [*node, *lines, "", "All that the agent says", *_indented(outputs.report(told.own))]
    return lines


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]


def _set_in(row: tuple[str, str, bool]) -> str:
    title, value, is_bad = row
    return f"  {title:<{_LEFT}}{'! ' if is_bad else ''}{value}"


def _feed(feed: Feed, overtaken: int) -> Iterator[tuple[str, str, bool]]:
    """(title, value, whether it is bad)."""
    state, ring, lost = feed.state, feed.ring, feed.lost + overtaken
    yield "server", clean(f"{state.target}  {state.server_version}".rstrip()), False
    is_followed = state.phase == "following"
    wrong = "; ".join(filter(None, (state.sentence, f"try: {state.way_on}" if state.way_on else "")))
    yield "state", state.phase if is_followed else clean(f"{state.phase}: {wrong}".rstrip(": ")), not is_followed
    yield "flows held", f"{ring.held_flows:,} of {ring.capacity:,} at most", False
    if ring.held_flows:
        newest = f" to {_CLOCK.text(feed.newest_ns)}" if feed.newest_ns else ""
        yield "times", f"{_CLOCK.text(feed.oldest_ns())}{newest}", False
    yield "lost", f"{lost:,} {'event' if lost == 1 else 'events'} since the start", lost > 0
    for gap in feed.gaps:
        between = f"{_CLOCK.text(gap.from_ns)} to {_CLOCK.text(gap.until_ns)}"
        yield "break", f"{between}, flows may be missing: {clean(gap.why)}", True


def _node(own: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """The digest of an agent's report; an older agent may not tell all of it."""
    complete, lost, kernel = own.get("completeness_percent"), own.get("lost"), own.get("kernel")
    if isinstance(complete, int | float):
        is_bad = complete < _WHOLE_PERCENT
        shown = min(complete, _WHOLE_PERCENT - 0.01) if is_bad else _WHOLE_PERCENT  # never rounded up to all
        yield "complete", f"{shown:.2f} %" if is_bad else f"{shown} %", is_bad
    if isinstance(lost, Mapping):
        found = {place: one["records"] for place, one in lost.items() if isinstance(one, Mapping) and one["records"]}
        places = ", ".join(f"{count:,} at {clean(place)}" for place, count in found.items())
        yield "lost", places or "nothing", bool(found)
    if isinstance(kernel, Mapping):
        cost = kernel.get("ns_per_packet")
        yield "overhead", f"{cost:,} ns a packet" if cost else "not measured", False
        missing = [*kernel.get("missing", ()), *kernel.get("refused", ())]
        yield (
            "kernel",
            f"lacks {len(missing)} of what could be used, see below" if missing else "has all",
            bool(missing),
        )
    if own.get("memory_bytes"):
        yield "memory", scaled(own["memory_bytes"], 1024, BYTES), False
    if own.get("uptime_s"):
        yield "up", duration_text(round(own["uptime_s"]) * SECOND_NS, SECOND_NS), False


class HealthView(LineView):
    """The lines, broken where the screen ends."""

    columns = (Column("HEALTH", 10, share=1),)

    def __init__(self, id: str) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id)
        self._told: Sequence[str] = ()
        self._lines: list[Cell] = []

    @property
    def count(self) -> int:
        """Lines."""
        return len(self._lines)

    def show(self, lines: Sequence[str]) -> None:
        """Others; the chosen place stays."""
        if lines != self._told:
            self._told = lines
            self._break()

    def on_resize(self) -> None:
        """Break them anew."""
        self._break()

    def cells(self, first: int, end: int) -> Sequence[Sequence[Cell]]:
        """One cell a line."""
        return [(one,) for one in self._lines[first:end]]

    def _break(self) -> None:
        size = self.size or self.app.size  # before it is laid out: as wide as the screen
        width = max(_LEAST_WIDTH, size.width)
        self._lines = [Cell(part, _style(line)) for line in self._told for part in wrapped(line, width)]
        self.changed()


def _style(line: str) -> Style:
    if line and not line.startswith(" "):
        return STRONG
    return BAD if line[2 + _LEFT :].startswith("! ") else PLAIN

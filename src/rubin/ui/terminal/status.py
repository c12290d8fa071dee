"""What the lines around the views say: how it goes, how much comes, why there is nothing to see."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from rubin.ui.feed import Feed
from rubin.ui.terminal.looks import BAD, DIM, GOOD, NOTABLE, STRONG, Cell, bars
from rubin.ui.terminal.matches import Matches
from rubin.words.text import clean
from rubin.words.times import SECOND_NS, Clock, duration_text

_RATE_S = 5
_LONG_AGO_S = 900


class Rate:
    """How many a second, over the last five."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, now_s: float, total: int) -> float:
        """The rate up to now, `total` having come altogether."""
        seen = self._seen
        seen.append((now_s, total))
        while len(seen) > 1 and now_s - seen[0][0] > _RATE_S:
            seen.popleft()
        first_s, first = seen[0]
        took_s = now_s - first_s
        return (total - first) / took_s if took_s > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Held:
    """Where the picture was stopped: when, and how many had come."""

    at_s: float
    matched: int
    bad: int


def head(
    title: str, feed: Feed, matches: Matches, rates: tuple[float, float], held: Held | None, is_live: bool, now_s: float
) -> tuple[list[Cell], list[Cell]]:
    """The first line: where we are and what comes; the time and whether it goes on."""
    all_rate, shown_rate = rates
    lost = feed.lost + matches.overtaken
    left = [Cell(" rubin ▸ ", DIM), Cell(title, STRONG), Cell(f"  {_number(all_rate)}/s")]
    left += [Cell(f" · lost {lost:,}", BAD if lost else DIM), Cell(f" · shown {_number(shown_rate)}/s", DIM)]
    left += [Cell(f"  {clean(feed.state.target)}", DIM)]
    return left, [Cell(f"  {Clock('RFC3339').text(round(now_s) * SECOND_NS)[11:19]} ", DIM), _mark(feed, held, is_live)]


def _mark(feed: Feed, held: Held | None, is_live: bool) -> Cell:
    if feed.state.phase != "following":
        return Cell(f"◌ {feed.state.phase.upper()} ", NOTABLE)
    if held is not None:
        return Cell("‖ PAUSED ", NOTABLE)
    return Cell("● LIVE ", GOOD) if is_live else Cell("○ SCROLLED ", NOTABLE)


def below(
    feed: Feed, trouble: str, matches: Matches, held: Held | None, note: str, now_s: float, place: str
) -> tuple[list[Cell], list[Cell]]:
    """The line under the views; to the right which line is chosen."""
    return _below(feed, trouble, matches, held, note, now_s), [Cell(f"{place} ", DIM)] if place else []


def _below(feed: Feed, trouble: str, matches: Matches, held: Held | None, note: str, now_s: float) -> list[Cell]:
    """A note, what is wrong, what has come while it stood still, or the last minute."""
    if note:
        return [Cell(f" {note}", STRONG)]
    state = feed.state
    if trouble:
        return [Cell(f" {clean(trouble)}", BAD)]
    if state.phase != "following":
        told = clean(state.sentence) or f"connecting to {clean(state.target)}"
        back = "; the flows shown are those from before" if feed.flows else ""
        return [Cell(f" {state.phase}: {told}{back}", NOTABLE), Cell(_way_on(state.way_on), DIM)]
    if held is not None:
        flows, bad = matches.matched - held.matched, matches.bad - held.bad
        told = f" held for {duration_text(round(now_s - held.at_s) * SECOND_NS)}: {flows:,} more flows, {bad:,} bad"
        return [Cell(told, NOTABLE), Cell("   space: go on", DIM)]
    return [
        Cell(f" {_last_minute(matches, now_s)}"),
        Cell(f" {matches.matched:,} {'flow' if matches.matched == 1 else 'flows'}", DIM),
        *_bad(matches),
    ]


def _bad(matches: Matches) -> list[Cell]:
    return [Cell(f" · ⊘ {matches.bad:,} bad", BAD)] if matches.bad else []


def _last_minute(matches: Matches, now_s: float, seconds: int = 30) -> str:
    """A bar for two seconds, up to now; of flows from long ago, up to the last of them."""
    newest = max(matches.per_second, default=0)
    end = newest if now_s - newest > _LONG_AGO_S else int(now_s)
    held = matches.per_second
    pairs = range(end - 2 * seconds + 1, end + 1, 2)
    return bars(sum(held.get(second + at, (0, 0))[0] for at in (0, 1)) for second in pairs)


def nothing(feed: Feed, matches: Matches, is_filtered: bool) -> tuple[str, ...]:
    """Why there is nothing to see, the first cause that is true, and what to do."""
    state = feed.state
    if state.phase != "following" and not feed.flows:
        told = clean(state.sentence) or f"connecting to {clean(state.target)} …"
        return (told, _way_on(state.way_on).strip(), "it is tried again and again")
    if not matches.seen:
        return (
            f"connected to {clean(state.target)}, which has seen no flow yet",
            "try: some traffic; rubin status says what is observed",
        )
    if is_filtered:
        return (
            f"none of the {matches.seen:,} flows held is what the filter asks for",
            "u: the filter before; /: another one; !: all again, where only what went wrong is shown",
        )
    return ("no flows",)


def _way_on(way_on: str) -> str:
    return f"   try: {clean(way_on)}" if way_on else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"

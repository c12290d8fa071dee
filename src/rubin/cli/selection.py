"""How many flows and of which time: `--first`, `--last`, `--all`, `--follow`, `--since`, `--until`."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from rubin.cli.command import Arguments
from rubin.errors import UsageError
from rubin.model.batch import FlowBatch
from rubin.model.filter import Filters
from rubin.words.flags import Flag
from rubin.words.times import moment_ns

DEFAULT_NUMBER = 20
ALL = 2**64 - 1
WHEN = "a duration ago (3s, 1h43m) or a date (2006-01-02, 2006-01-02T15:04:05Z, Jan  2 15:04:05.000)"


def selector_flags() -> tuple[Flag, ...]:
    """The flags."""
    each = "Of a relay: of each of its nodes."
    return (
        Flag("all", "All flows that the server holds.", "yes", False, group="Selectors"),
        Flag("first", f"The first N flows that it holds. {each}", "number", 0, group="Selectors", metavar="N"),
        Flag("last", f"The last N; {DEFAULT_NUMBER} unless told. {each}", "number", 0, group="Selectors", metavar="N"),
        Flag("follow", "Go on with what comes.", "yes", False, "f", group="Selectors"),
        Flag("since", f"No older ones: {WHEN}.", "text", "", group="Selectors", metavar="TIME"),
        Flag("until", f"No newer ones: {WHEN}. Ignored with --follow.", "text", "", group="Selectors", metavar="TIME"),
    )


@dataclass(frozen=True, slots=True)
class Selection:
    """What of all flows; `number` 0 is all of the time that is asked for."""

    number: int = 0
    first: bool = False
    follow: bool = False
    since_ns: int | None = None
    until_ns: int | None = None


def read_selection(arguments: Arguments, now_ns: int, default_number: int = DEFAULT_NUMBER) -> Selection:
    """The flags' meaning. Raises UsageError where they contradict each other."""
    values = arguments.values
    asked = {name for name in ("first", "last", "all", "follow") if values.get(name)}
    for one, other in (("first", "last"), ("first", "all"), ("first", "follow"), ("last", "all")):
        if {one, other} <= asked:
            raise UsageError(f"cannot set both --{one} and --{other}", "leave one of them out")
    follow = "follow" in asked
    since = moment_ns("since", arguments["since"], now_ns) if arguments["since"] else None
    until = moment_ns("until", arguments["until"], now_ns) if arguments["until"] and not follow else None
    number = arguments["first"] or arguments["last"]
    if since is None and until is None and not number:
        number = ALL if arguments["all"] else 0 if follow else default_number
    return Selection(number, bool(arguments["first"]), follow, since, until)


def select(batches: Iterable[FlowBatch], selection: Selection, filters: Filters) -> Iterator[FlowBatch]:
    """Of batches read here, not asked of a server, what is selected; losses pass as they are."""
    wanted = (_wanted(batch, selection, filters) for batch in batches)
    if not selection.number:
        return wanted
    return _first(wanted, selection.number) if selection.first else _last(wanted, selection.number)


def _wanted(batch: FlowBatch, selection: Selection, filters: Filters) -> FlowBatch:
    mask = np.ones(len(batch), np.bool_) if filters.everything else filters.mask(batch)
    if selection.since_ns is not None:
        mask &= batch["time_ns"] >= selection.since_ns
    if selection.until_ns is not None:
        mask &= batch["time_ns"] <= selection.until_ns
    return batch if mask.all() else batch.take(mask)


def _first(batches: Iterable[FlowBatch], number: int) -> Iterator[FlowBatch]:
    for batch in batches:
        yield batch.take(slice(0, number))
        number -= len(batch)
        if number <= 0:
            return


def _last(batches: Iterable[FlowBatch], number: int) -> Iterator[FlowBatch]:
    kept: deque[FlowBatch] = deque()
    held = 0
    for batch in batches:
        kept.append(batch)
        held += len(batch)
        while held - len(kept[0]) >= number and len(kept) > 1:
            held -= len(kept.popleft())
    if kept and held > number:
        kept[0] = kept[0].take(slice(held - number, None))
    yield from kept

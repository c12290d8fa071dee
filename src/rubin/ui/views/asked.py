"""What a tab asks to be shown: the same question, the same view, however many tabs ask it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rubin.api.selection import compiled
from rubin.errors import UsageError
from rubin.model.filter import Filters
from rubin.query.places import DEFAULT_SCOPE, check_scope
from rubin.words.terms import asked_by_query, canonical, filters, query_of

Mode = Literal["live", "at", "range"]

VIEWS = ("map", "flows", "series", "stats")
_MS_NS = 1_000_000
_MOST_MS = 9_000_000_000_000  # in ns an int64 still: the year 2255
_MOST_WINDOW_MS = 24 * 3_600_000
_DEFAULT_WINDOW_MS = 60_000
MOST_ROWS = 1_000
_DEFAULT_ROWS = 500


@dataclass(frozen=True, slots=True)
class Time:
    """Live: the last `window_ns`. At: that long until `until_ns`. Range: from `since_ns`. Both ends belong to it."""

    mode: Mode = "live"
    window_ns: int = _DEFAULT_WINDOW_MS * _MS_NS
    since_ns: int = 0
    until_ns: int = 0

    @property
    def is_live(self) -> bool:
        """Whether it moves on."""
        return self.mode == "live"


@dataclass(frozen=True, slots=True)
class Asked:
    """One view. `query` is canonical, so that what asks the same is the same."""

    view: str
    query: str = ""
    scope: str = DEFAULT_SCOPE
    time: Time = Time()
    most_rows: int = _DEFAULT_ROWS

    def filters(self) -> Filters | None:
        """Compiled anew; None where every flow is asked for."""
        return filters_of(self.query)


def asked(message: Mapping[str, Any]) -> Asked:
    """Of a tab's message. Raises UsageError for what makes no sense."""
    view = _text(message, "view", "")
    if view not in VIEWS:
        raise UsageError(f"view '{view[:40]}' does not exist", "one of " + ", ".join(VIEWS))
    query = canonical_query(_text(message, "query", ""))
    filters_of(query)
    scope = check_scope(_text(message, "scope", DEFAULT_SCOPE)) if view == "map" else DEFAULT_SCOPE
    rows = _number(message, "max_rows", _DEFAULT_ROWS, 1, MOST_ROWS) if view == "flows" else _DEFAULT_ROWS
    return Asked(view, query, scope, _time(message.get("time")), int(rows))


def canonical_query(query: str) -> str:
    """The filters of a query, in the one order; the rest is not about flows. Raises UsageError."""
    return query_of(canonical(asked_by_query(query).terms))


def filters_of(query: str) -> Filters | None:
    """The filters of a query, compiled; None where there are none. Raises UsageError."""
    return compiled(*filters(asked_by_query(query).terms))


def _time(told: Any) -> Time:
    if told is None:
        return Time()
    if not isinstance(told, Mapping):
        raise UsageError("time is no object", '{"mode":"live","window_ms":60000}')
    mode = _text(told, "mode", "live")
    window_ns = int(_number(told, "window_ms", _DEFAULT_WINDOW_MS, 1_000, _MOST_WINDOW_MS) * _MS_NS)
    match mode:
        case "live":
            return Time("live", window_ns)
        case "at":
            at_ns = int(_number(told, "at_ms", 0, 0, _MOST_MS) * _MS_NS)
            return Time("at", window_ns, at_ns - window_ns, at_ns)
        case "range":
            since_ns, until_ns = (
                int(_number(told, name, 0, 0, _MOST_MS) * _MS_NS) for name in ("since_ms", "until_ms")
            )
            if until_ns < since_ns:
                raise UsageError("the time ends before it begins", "since_ms before until_ms")
            return Time("range", max(until_ns - since_ns, 1), since_ns, until_ns)
    raise UsageError(f"time mode '{mode[:40]}' does not exist", "one of live, at, range")


def _text(message: Mapping[str, Any], name: str, default: str) -> str:
    value = message.get(name, default)
    if not isinstance(value, str):
        raise UsageError(f"{name} is no text", f'"{name}":"…"')
    return value


def _number(message: Mapping[str, Any], name: str, default: float, least: float, most: float) -> float:
    """Within the limits, whatever was asked."""
    value = message.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise UsageError(f"{name} is no number", f'"{name}":{default:g}')
    return float(min(max(value, least), most))

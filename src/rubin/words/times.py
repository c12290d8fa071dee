"""Times as they are typed and printed: Go's durations and layouts, in UTC."""

import re
import time
from calendar import timegm
from collections.abc import Callable, Iterable

from rubin.errors import UsageError

SECOND_NS = 1_000_000_000
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
FORMATS = (
    "StampMilli",
    "YearMonthDay",
    "YearMonthDayHour",
    "YearMonthDayHourMinute",
    "RFC3339",
    "RFC3339Milli",
    "RFC3339Micro",
    "RFC3339Nano",
    "RFC1123Z",
)

_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": SECOND_NS,
    "m": 60 * SECOND_NS,
    "h": 3600 * SECOND_NS,
}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_DURATION = re.compile(rf"[-+]?(0|({_PART.pattern})+)", re.ASCII)
_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d{1,2})(?::(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?(Z|[+-]\d\d:\d\d))?", re.ASCII
)
_RFC1123Z = re.compile(r"\w{3}, (\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) ([+-]\d\d)(\d\d)", re.ASCII)
_STAMP = re.compile(r"(\w{3}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.(\d+))?", re.ASCII)


def duration_ns(text: str) -> int:
    """Go's `1h43m`, `1.5s`, `-3ms` in ns. Raises ValueError."""
    if not _DURATION.fullmatch(text):
        raise ValueError("a duration, such as 3s, 5m or 1h30m")
    amounts = (round(float(amount) * _UNITS_NS[unit]) for amount, unit in _PART.findall(text))
    return sum(amounts) * (-1 if text.startswith("-") else 1)


def duration_s(text: str) -> float:
    """The same without a sign, in seconds. Raises UsageError."""
    wrong = UsageError(f"'{text}' is no duration", "e.g. 30s, 5m or 1h30m")
    if text[:1] in ("+", "-"):
        raise wrong
    try:
        return duration_ns(text) / SECOND_NS
    except ValueError as error:
        raise wrong from error


def duration_text(ns: int, precision_ns: int = 1) -> str:
    """As Go writes a duration: `16m40s`, `1.5s`, `0s`."""
    ns = (ns + precision_ns // 2) // precision_ns * precision_ns
    if 0 < ns < SECOND_NS:
        unit, size = next((unit, size) for unit, size in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)) if ns >= size)
        return f"{ns / size:.9f}".rstrip("0").rstrip(".") + unit
    minutes, rest = divmod(ns, 60 * SECOND_NS)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return head + f"{rest / SECOND_NS:.9f}".rstrip("0").rstrip(".") + "s"


def moment_ns(flag: str, text: str, now_ns: int) -> int:
    """The time that a flag names, ns since the Unix epoch: a duration ago, or a date.

    Dates are RFC 3339 (down to the day, hour or minute), RFC 1123 with a numeric zone, or the stamp
    that `observe` prints, in the past twelve months. Raises UsageError.
    """
    for read in (_ago, _date, _rfc1123z, _stamp):
        try:
            moment = read(text, now_ns)
        except ValueError:
            continue
        if moment is not None:
            return moment
    raise UsageError(f"--{flag} '{text}' is no time", "5m, 1h30m, 2026-01-02 or 2026-01-02T15:04:05Z")


def _ago(text: str, now_ns: int) -> int:
    return now_ns - duration_ns(text)


def _date(text: str, _now_ns: int) -> int | None:
    match = _DATE.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction, zone = match.group(7) or "0", match.group(8) or "Z"
    offset = 0 if zone == "Z" else int(zone[0] + "1") * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)
    return _epoch_ns((year, month, day, hour, minute, second), fraction) - offset * SECOND_NS


def _rfc1123z(text: str, _now_ns: int) -> int | None:
    match = _RFC1123Z.fullmatch(text)
    if not match:
        return None
    day, month, year, hour, minute, second, zone_hours, zone_minutes = match.groups()
    parts = (int(year), _month(month), int(day), int(hour), int(minute), int(second))
    offset = int(zone_hours) * 3600 + int(zone_hours[0] + zone_minutes) * 60
    return _epoch_ns(parts, "0") - offset * SECOND_NS


def _stamp(text: str, now_ns: int) -> int | None:
    match = _STAMP.fullmatch(text)
    if not match:
        return None
    month, day, hour, minute, second, fraction = match.groups()
    year = time.gmtime(now_ns // SECOND_NS).tm_year
    parts = (_month(month), int(day), int(hour), int(minute), int(second))
    this_year = _epoch_ns((year, *parts), fraction or "0")
    return this_year if this_year <= now_ns else _epoch_ns((year - 1, *parts), fraction or "0")


def _month(name: str) -> int:
    return MONTHS.index(name) + 1


def _epoch_ns(parts: tuple[int, ...], fraction: str) -> int:
    """The ns of a date in UTC; ValueError where there is no such date."""
    seconds = timegm((*parts, 0, 0, 0))
    if tuple(time.gmtime(seconds))[:6] != parts:
        raise ValueError(parts)
    return seconds * SECOND_NS + int(fraction[:9].ljust(9, "0"))


class Clock:
    """Times as texts, in one of Hubble's layouts. The text of a second is made once.

    `Clock("StampMilli").texts(times_ns)`; 0, no time, is `N/A`. Raises UsageError for an unknown layout.
    """

    def __init__(self, name: str) -> None:
        layout = _LAYOUTS.get(name.lower())
        if layout is None:
            raise UsageError(f"time format '{name}' does not exist", "one of " + ", ".join(FORMATS))
        self._second_text, self._fraction = layout
        self._seconds: dict[int, tuple[str, str]] = {}

    def texts(self, times_ns: Iterable[int]) -> list[str]:
        """One text for each time."""
        return [self.text(time_ns) for time_ns in times_ns]

    def text(self, time_ns: int) -> str:
        """The time as text."""
        if not time_ns:
            return "N/A"
        second, ns = divmod(time_ns, SECOND_NS)
        parts = self._seconds.get(second)
        if parts is None:
            if len(self._seconds) > 100_000:
                self._seconds.clear()
            head, _, tail = self._second_text(time.gmtime(second)).partition("|")
            parts = self._seconds[second] = head, tail
        return parts[0] + self._fraction(ns) + parts[1]


def _date_text(moment: time.struct_time) -> str:
    return f"{moment.tm_year:04d}-{moment.tm_mon:02d}-{moment.tm_mday:02d}"


def _time_text(moment: time.struct_time) -> str:
    return f"{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d}"


def _stamp_text(moment: time.struct_time) -> str:
    return f"{MONTHS[moment.tm_mon - 1]} {moment.tm_mday:2d} {_time_text(moment)}"


def _rfc1123z_text(moment: time.struct_time) -> str:
    date = f"{moment.tm_mday:02d} {MONTHS[moment.tm_mon - 1]} {moment.tm_year:04d}"
    return f"{DAYS[moment.tm_wday]}, {date} {_time_text(moment)} +0000"


def _rfc3339_text(moment: time.struct_time) -> str:
    return f"{_date_text(moment)}T{_time_text(moment)}|Z"


def _trimmed(digits: int) -> Callable[[int], str]:
    """A fraction of so many digits, trailing zeros cut; nothing when it is zero (Go's `.999`)."""

    def fraction(ns: int) -> str:
        text = f"{ns:09d}"[:digits].rstrip("0")
        return f".{text}" if text else ""

    return fraction


def _none(_ns: int) -> str:
    return ""


_LAYOUTS: dict[str, tuple[Callable[[time.struct_time], str], Callable[[int], str]]] = {
    "stampmilli": (_stamp_text, lambda ns: f".{ns // 1_000_000:03d}"),
    "yearmonthday": (_date_text, _none),
    "yearmonthdayhour": (lambda moment: f"{_date_text(moment)}T{moment.tm_hour:02d}Z", _none),
    "yearmonthdayhourminute": (lambda moment: f"{_date_text(moment)}T{moment.tm_hour:02d}:{moment.tm_min:02d}Z", _none),
    "rfc3339": (_rfc3339_text, _none),
    "rfc3339milli": (_rfc3339_text, _trimmed(3)),
    "rfc3339micro": (_rfc3339_text, _trimmed(6)),
    "rfc3339nano": (_rfc3339_text, _trimmed(9)),
    "rfc1123z": (_rfc1123z_text, _none),
}

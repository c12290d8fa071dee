"""Times, numbers and ends as the sections write them."""

import numpy as np

from rubin.model.batch import Array
from rubin.words.times import SECOND_NS, Clock, duration_text
from rubin.words.units import latency

_CLOCK = Clock("StampMilli")
_HOUR_NS = 3600 * SECOND_NS
_MANY = 5


def moment(time_ns: int) -> str:
    """`Nov 14 22:13:20.000`."""
    return _CLOCK.text(time_ns)


def span(duration_ns: int) -> str:
    """`12 ms`, `3.2s`, `4m10s`, `2h5m`: no more digits than count."""
    duration_ns = max(duration_ns, 0)
    if duration_ns < SECOND_NS:
        return latency(duration_ns // 1000)
    if duration_ns < 60 * SECOND_NS:
        return duration_text(duration_ns, SECOND_NS // 10)
    if duration_ns < _HOUR_NS:
        return duration_text(duration_ns, SECOND_NS)
    return duration_text(duration_ns, 60 * SECOND_NS).removesuffix("0s")


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 client`, `1,204 clients`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def each_minute(number: int, duration_ns: int) -> str:
    """`3.2 a minute`; "" where the time is too short to say so."""
    if number < 2 or duration_ns < 60 * SECOND_NS:
        return ""
    rate = number * 60 * SECOND_NS / duration_ns
    return f"{rate:,.0f} a minute" if rate >= 10 else f"{rate:.2g} a minute"


def share(part: int, whole: int) -> str:
    """`3 %`; never 0 % of something, nor 100 % of not all."""
    if part == whole:
        return "100 %"
    percent = 100 * part / whole
    return "less than 1 %" if 0 < percent < 1 else "more than 99 %" if percent > 99 else f"{percent:.0f} %"


def quantiles(parts: list[Array]) -> str:
    """`0.25 ms, 95 % within 1.2 ms` of microseconds; "" of none."""
    values = np.concatenate(parts) if parts else np.zeros(0)
    if not len(values):
        return ""
    half, most = (int(value) for value in np.percentile(values, (50, 95)))
    return latency(half) if len(values) == 1 else f"{latency(half)}, 95 % within {latency(most)}"


def listed(names: list[str]) -> str:
    """`a, b, c and 4 others`."""
    if len(names) <= _MANY:
        return ", ".join(names)
    return f"{', '.join(names[:_MANY])} and {len(names) - _MANY} others"

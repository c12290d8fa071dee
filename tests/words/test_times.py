"""Go's durations and layouts."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.errors import UsageError
from rubin.words.times import FORMATS, Clock, duration_ns, duration_s, moment_ns

NOW_NS = 1_750_000_000_123_456_789

DURATIONS = [
    ("3s", 3_000_000_000),
    ("1h43m", 6_180_000_000_000),
    ("1.5h", 5_400_000_000_000),
    (".5s", 500_000_000),
    ("100us", 100_000),
    ("2µs3ns", 2_003),
    ("-5m", -300_000_000_000),
    ("+1ms", 1_000_000),
    ("0", 0),
]


@pytest.mark.parametrize(("text", "ns"), DURATIONS)
def test_durations_are_gos(text: str, ns: int) -> None:
    assert duration_ns(text) == ns


@pytest.mark.parametrize("text", ["", "3", "s", "1d", "1h 3m", "1hm", "٣s", "1e3s", "--1s", "."])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration_ns(text)


MOMENTS = [
    ("3s", NOW_NS - 3_000_000_000),
    ("2006-01-02", 1_136_160_000_000_000_000),
    ("2006-01-02T15Z", 1_136_214_000_000_000_000),
    ("2006-01-02T15+02:00", 1_136_206_800_000_000_000),
    ("2006-01-02T15:04Z", 1_136_214_240_000_000_000),
    ("2006-01-02T15:04:05Z", 1_136_214_245_000_000_000),
    ("2006-01-02T15:04:05-07:30", 1_136_241_245_000_000_000),
    ("2006-01-02T15:04:05.999Z", 1_136_214_245_999_000_000),
    ("2006-01-02T15:04:05.123456789Z", 1_136_214_245_123_456_789),
    ("Mon, 02 Jan 2006 15:04:05 -0700", 1_136_239_445_000_000_000),
    ("Jun 15 00:00:00.250", 1_749_945_600_250_000_000),
    ("Dec 31 23:59:59", 1_735_689_599_000_000_000),
]


@pytest.mark.parametrize(("text", "ns"), MOMENTS)
def test_moments_as_hubble_reads_them(text: str, ns: int) -> None:
    assert moment_ns("since", text, NOW_NS) == ns


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2006-13-02", "2006-02-30", "2006-01-02T25Z", "2006-01-02T15", "Foo 12 00:00:00"]
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(UsageError, match="no time"):
        moment_ns("since", text, NOW_NS)


@given(st.text())
def test_any_text_is_a_moment_or_a_usage_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert isinstance(moment_ns("since", text, NOW_NS), int)


PRINTED = [
    ("StampMilli", "Jan  2 15:04:05.120"),
    ("YearMonthDay", "2006-01-02"),
    ("YearMonthDayHour", "2006-01-02T15Z"),
    ("YearMonthDayHourMinute", "2006-01-02T15:04Z"),
    ("RFC3339", "2006-01-02T15:04:05Z"),
    ("RFC3339Milli", "2006-01-02T15:04:05.12Z"),
    ("RFC3339Micro", "2006-01-02T15:04:05.1203Z"),
    ("rfc3339nano", "2006-01-02T15:04:05.120300004Z"),
    ("RFC1123Z", "Mon, 02 Jan 2006 15:04:05 +0000"),
]


@pytest.mark.parametrize(("name", "text"), PRINTED)
def test_layouts_are_gos(name: str, text: str) -> None:
    assert Clock(name).text(1_136_214_245_120_300_004) == text


def test_no_time_is_not_available() -> None:
    assert Clock("RFC3339").text(0) == "N/A"


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(UsageError, match="'RFC1' does not exist"):
        Clock("RFC1")


@given(
    st.integers(86_400 * 10**9, 4_102_444_800 * 10**9 - 1),
    st.sampled_from([name for name in FORMATS if name != "StampMilli"]),
)
def test_what_is_printed_can_be_typed(time_ns: int, name: str) -> None:
    """To the precision of the layout."""
    typed = moment_ns("since", Clock(name).text(time_ns), time_ns)
    assert Clock(name).text(typed) == Clock(name).text(time_ns)
    if name == "RFC3339Nano":
        assert typed == time_ns
        assert datetime.fromtimestamp(typed // 10**9, UTC).year >= 1970


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("0s", 0), ("1h30m", 5400), ("1.5s", 1.5), ("250ms", 0.25), ("2m0.5s", 120.5)]
)
def test_durations_of_settings_are_gos_without_a_sign(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "1s 2s", "-1s"])
def test_what_is_no_duration_of_a_setting(text: str) -> None:
    with pytest.raises(UsageError):
        duration_s(text)

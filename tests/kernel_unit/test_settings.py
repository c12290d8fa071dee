"""Settings that make no sense and missing privileges are said in a sentence with a way on."""

from typing import Any

import pytest

from rubin.errors import RubinError, UsageError
from rubin.kernel import privileges
from rubin.kernel.settings import LiveSettings


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"vantages": ("socket",)}, "vantages cannot be socket"),
        ({"vantages": ()}, "vantages cannot be empty"),
        ({"aggregation": "most"}, "aggregation level 'most' does not exist"),
        ({"ring_bytes": 5000}, "ring_bytes cannot be 5000"),
        ({"ring_bytes": 2048}, "ring_bytes cannot be 2048"),
        ({"connections": 100_000}, "connections cannot be 100000"),
        ({"aggregation_flags": ("syn", "fine")}, "TCP flag 'fine' does not exist"),
        ({"aggregation_flags": ()}, "aggregation_flags cannot be empty"),
        ({"interval_s": 0}, "interval_s cannot be 0"),
    ],
)
def test_a_wrong_value_is_named(values: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        LiveSettings(**values).check()


@pytest.mark.parametrize(
    ("names", "bits"), [(("all",), 0x1FF), (("syn", "fin", "rst"), 7), ((" RST", "ns"), 0x104), (("all", "syn"), 0x1FF)]
)
def test_flags_are_named_as_by_cilium(names: tuple[str, ...], bits: int) -> None:
    assert LiveSettings(aggregation_flags=names).report_flags == bits


def test_the_defaults_are_right() -> None:
    LiveSettings().check()


@pytest.mark.parametrize(
    ("have", "missing"),
    [
        ({12, 38, 39}, ""),
        ({12, 21}, ""),
        ({21}, "CAP_NET_ADMIN"),
        ({12, 39}, "CAP_PERFMON"),
        (set(), r"CAP_NET_ADMIN .*, CAP_PERFMON .*, CAP_BPF"),
    ],
)
def test_missing_capabilities_are_named(have: set[int], missing: str) -> None:
    if not missing:
        privileges.check(frozenset(have))
        return
    with pytest.raises(RubinError, match=missing):
        privileges.check(frozenset(have))


def test_the_own_capabilities_are_read() -> None:
    assert privileges.held() <= set(range(64))

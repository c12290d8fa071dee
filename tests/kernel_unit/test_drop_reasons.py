"""Every name in the table of nearest reasons is spelt as the kernel spells it, and stands once."""

from collections import Counter

import pytest

from rubin.kernel.drop_reasons import NEAREST, DropReasons
from rubin.model.enums import DropReason

REASONS = DropReasons(
    {12: "SKB_DROP_REASON_NETFILTER_DROP", 1: "SKB_CONSUMED"}, {1: "SKB_DROP_REASON_SUBSYS_MAC80211_UNUSABLE"}
)


@pytest.mark.parametrize(
    ("number", "name", "nearest"),
    [
        (12, "NETFILTER_DROP", DropReason.POLICY_DENIED),
        (1, "SKB_CONSUMED", DropReason.DROP_REASON_UNKNOWN),
        (999, "999", DropReason.DROP_REASON_UNKNOWN),
        (1 << 16 | 4, "MAC80211_UNUSABLE/4", DropReason.DROP_REASON_UNKNOWN),
        (7 << 16 | 4, str(7 << 16 | 4), DropReason.DROP_REASON_UNKNOWN),
    ],
)
def test_a_number_has_a_name_and_a_nearest_reason(number: int, name: str, nearest: DropReason) -> None:
    assert (REASONS.name(number), REASONS.nearest(number)) == (name, nearest)


def test_no_kernel_reason_stands_for_two_of_hubbles() -> None:
    assert max(Counter(name for names in NEAREST.values() for name in names).values()) == 1

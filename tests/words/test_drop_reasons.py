"""Every reason for which a kernel drops a packet is told in words."""

import pytest

from rubin.kernel import btf
from rubin.kernel.drop_reasons import NEAREST
from rubin.words.drop_reasons import _MEANINGS, _SUBSYSTEMS, NO_REASONS, meaning

# Kernels of Debian and of the tests; include/net/dropreason-core.h and, before 6.3, dropreason.h.
OLDER = (
    *("TC_ERROR", "VXLAN_NO_REMOTE", "TCP_MD5NOTFOUND", "OTHERHOST", "SKB_UCOPY_FAULT", "TCP_INVALID_SEQUENCE"),
    *("IP_INADDRERRORS", "QDISC_DROP", "SKB_CSUM", "SKB_GSO_SEG", "NOT_SPECIFIED", "TCP_RFC7323_PAWS"),
)


def test_the_running_kernel_has_no_reason_without_words() -> None:
    with btf.of_kernel() as types:
        names = types.enum("skb_drop_reason").values()
        subsystems = types.enum("skb_drop_reason_subsys").values()
    short = [name.removeprefix("SKB_DROP_REASON_") for name in names]
    assert len(short) > 60
    assert [name for name in short if name not in NO_REASONS and not meaning(name)] == []
    own = [name.removeprefix("SKB_DROP_REASON_SUBSYS_") for name in subsystems]
    assert [name for name in own if name not in ("CORE", "NUM") and not meaning(f"{name}/3")] == []


def test_neither_have_those_of_other_kernels_and_those_that_hubble_has_words_for() -> None:
    names = [name for names in NEAREST.values() for name in names]
    assert [name for name in (*names, *OLDER) if not meaning(name)] == []


@pytest.mark.parametrize("name", ["", "999", "65540", "NO_SUCH_REASON", "SKB_", "/"])
def test_what_is_not_known_has_no_words(name: str) -> None:
    assert meaning(name) == ""


@pytest.mark.parametrize("name", ["NETFILTER_DROP", "netfilter_drop", "SKB_DROP_REASON_NETFILTER_DROP"])
def test_a_reason_is_known_however_it_is_written(name: str) -> None:
    assert "nftables" in meaning(name)


def test_they_are_sentences() -> None:
    for text in (*_MEANINGS.values(), *_SUBSYSTEMS.values()):
        assert text[0].isupper()
        assert text.endswith(".")
        assert text.isascii()
        assert len(text) <= 110

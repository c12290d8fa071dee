"""Features are probed right: a kernel new enough to have one is not said to lack it, and the other way round."""

import os

import pytest

from rubin.kernel import features


def kernel() -> tuple[int, int]:
    major, minor = os.uname().release.split("-")[0].split(".")[:2]
    return int(major), int(minor)


@pytest.mark.parametrize("feature", features.probe(), ids=lambda feature: feature.name)
def test_a_kernel_new_enough_has_it(feature: features.Feature) -> None:
    assert feature.on or feature.since > kernel(), feature


def test_a_map_of_an_unknown_type_is_not_there() -> None:
    assert not features._has_map(9999, 4, 4, 1)


def test_probing_leaves_nothing_behind() -> None:
    before = len(os.listdir("/proc/self/fd"))
    features.probe()
    assert len(os.listdir("/proc/self/fd")) == before

"""Which of Debian's kernels is fetched."""

import pytest

from tools.dev import kernels
from tools.dev.say import Stop

LISTING = """\
linux-image-6.1.0-9-amd64 - Linux 6.1 for 64-bit PCs (signed)
linux-image-6.1.0-56-amd64 - Linux 6.1 for 64-bit PCs (signed)
linux-image-6.1.0-56-cloud-amd64 - Linux 6.1 for x86-64 cloud (signed)
linux-image-6.1.0-57-rt-amd64 - Linux 6.1 for 64-bit PCs (signed), PREEMPT_RT
linux-image-6.1.0-58-amd64-dbg - Debug symbols for linux-image-6.1.0-58-amd64
linux-image-6.1.0-58-amd64-unsigned - Linux 6.1 for 64-bit PCs
linux-image-6.12.9+deb12-amd64 - Linux 6.12 for 64-bit PCs (signed)
linux-image-6.12.90+deb12.1-amd64 - Linux 6.12 for 64-bit PCs (signed)
"""


@pytest.mark.parametrize(
    ("series", "package"),
    [("6.1", "linux-image-6.1.0-56-amd64"), ("6.12", "linux-image-6.12.90+deb12.1-amd64")],
)
def test_the_newest_signed_generic_kernel_of_the_series_is_fetched(series, package):
    assert kernels._newest(series, LISTING) == package


def test_a_registry_without_the_series_is_said():
    with pytest.raises(Stop, match="has no kernel 6.12"):
        kernels._newest("6.12", "linux-image-6.1.0-56-amd64 - Linux 6.1\n")

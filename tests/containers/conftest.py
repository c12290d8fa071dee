"""Runtimes that are started once for all tests."""

from collections.abc import Iterator

import pytest

from tests.containers import daemons
from tests.containers.daemons import Daemon
from tests.containers.pods import Pods, pods


@pytest.fixture(scope="session")
def containerd() -> Iterator[Daemon]:
    with daemons.containerd() as daemon:
        yield daemon


@pytest.fixture
def cluster(containerd: Daemon) -> Iterator[Pods]:
    with pods(containerd) as made:
        yield made

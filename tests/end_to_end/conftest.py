"""Agents, and two hosts for them to observe."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.end_to_end.agents import Agent
from tests.end_to_end.hosts import Hosts, hosts


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Two hosts joined by a cable, for all tests."""
    folder = tmp_path_factory.mktemp("www")
    with hosts(folder) as made:
        yield made


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Agent]]:
    """Starts agents; each ends with the test."""
    with ExitStack() as stack:

        def make(name: str = "agent", **options: object) -> Agent:
            folder = tmp_path / name
            folder.mkdir(mode=0o777, exist_ok=True)
            folder.chmod(0o777)  # an agent that is not root makes its socket there
            agent = Agent(folder, **options)  # type: ignore[arg-type]
            stack.callback(agent.close)
            return agent

        yield make

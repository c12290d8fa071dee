"""What a provider has told so far."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rubin.identity.facts import Fact, Provider, Where
from rubin.model.tables import Endpoint
from tests.waiting import wait_for

Got = TypeVar("Got")


class Told:
    """The facts of a provider by its keys, as they are now."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.facts: dict[str, Sequence[Fact]] = {}
        self.changes = 0
        """How often something was told of a key."""

    def __call__(self) -> dict[str, Sequence[Fact]]:
        """The facts, with what has changed."""
        changed = self.provider.changes()
        self.changes += len(changed)
        self.facts = {key: facts for key, facts in {**self.facts, **changed}.items() if facts}
        return self.facts

    def wait(self, condition: Callable[[dict[str, Sequence[Fact]]], Got], what: str, seconds: float = 10.0) -> Got:
        """The first true answer."""
        return wait_for(lambda: condition(self()), f"{what}; it says: {self.provider.status()}", seconds)

    def status(self, words: str, seconds: float = 10.0) -> str:
        """The status, once it has these words."""
        wait_for(lambda: words in self.provider.status(), f"a status with {words!r}", seconds)
        return self.provider.status()

    def who(self, key: str) -> Endpoint:
        """The endpoint of a key's first fact."""
        return self()[key][0].who

    def where(self, key: str) -> list[Where]:
        """The places of a key."""
        return [fact.where for fact in self()[key]]


@contextmanager
def told(provider: Provider) -> Iterator[Told]:
    """What a provider has told; it is closed at the end."""
    try:
        yield Told(provider)
    finally:
        provider.close()

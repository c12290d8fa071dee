"""A provider beside an API server of the tests."""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rubin.identity.facts import Fact, Where
from rubin.identity.kubernetes.pace import Pace
from rubin.identity.kubernetes.provider import Kubernetes
from rubin.identity.kubernetes.settings import KubernetesSettings
from rubin.model.tables import Endpoint
from tests.identity.kubernetes.apiserver import ApiServer
from tests.waiting import wait_for

PACE = Pace(watch_s=30, answer_s=5, quiet_s=10, backoff_s=0.02, backoff_most_s=0.2)
"""As fast as a test wants it."""


@dataclass
class Beside:
    """What a provider has told so far."""

    provider: Kubernetes
    told: dict[str, Sequence[Fact]] = field(default_factory=dict)

    def facts(self) -> list[Fact]:
        """All facts as they are now."""
        for key, facts in self.provider.changes().items():
            self.told[key] = facts
            if not facts:
                del self.told[key]
        return [fact for facts in self.told.values() for fact in facts]

    def who(self, where: Where) -> list[Endpoint]:
        """All that are told to be somewhere."""
        return [fact.who for fact in self.facts() if fact.where == where]

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait for a condition; says the status where it does not come about."""
        try:
            return wait_for(condition, what, 5)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.provider.status()}") from error

    def wait_status(self, *words: str) -> str:
        """Wait for a status with these words."""
        self.wait(lambda: all(word in self.provider.status() for word in words), f"{words} in the status")
        return self.provider.status()

    def wait_read(self) -> list[Fact]:
        """Wait until all has been read, and nothing is wrong."""
        self.wait(lambda: "not read" not in (said := self.provider.status()) and said[0].isdigit(), "all read")
        return self.facts()


def kubeconfig(folder: Path, server: str, user: dict[str, Any] | None = None, **cluster: Any) -> Path:
    """A kubeconfig file; JSON is YAML."""
    data = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "one", "user": "me"}}],
        "clusters": [{"name": "one", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "me", "user": user if user is not None else {"token": "secret"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(data))
    return path


@contextlib.contextmanager
def provider_of(api: ApiServer, folder: Path, pace: Pace = PACE, **config: Any) -> Iterator[Beside]:
    """A provider that asks this server, on node1."""
    made = Kubernetes(KubernetesSettings(str(kubeconfig(folder, api.url, **config)), "node1"), pace)
    try:
        yield Beside(made)
    finally:
        made.close()

"""What all providers tell, as claims: who is said to be where, from when, and how firmly."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from rubin.identity.claims import FOREVER_NS, Claim, Claims, Key
from rubin.identity.endpoints import Endpoints
from rubin.identity.facts import Changes, Fact, Provider, Where

_KEPT_NS = 600 * 1_000_000_000  # how long the past is known: a flow is read, and asked about again, in that time


class Book:
    """Keeps `claims` as the providers tell; `gone` is told (namespace, pod) when nobody tells of a pod any more."""

    def __init__(
        self, providers: Sequence[Provider], endpoints: Endpoints, gone: Callable[[str, str], None] | None
    ) -> None:
        self._providers, self._endpoints, self._gone = tuple(providers), endpoints, gone
        self.claims = Claims()
        self._facts: dict[Key, dict[Where, Fact]] = {}
        self._pods: Counter[tuple[str, str]] = Counter()
        self._asked_ns = 0

    def take_changes(self) -> list[Where]:
        """Ask every provider; returns the places at which something has changed."""
        before_ns, self._asked_ns = self._asked_ns, time.time_ns()
        moved = self.claims.pull_back(self._asked_ns) if self._asked_ns < before_ns else []
        return moved + [place for provider in self._providers for place in self._apply(provider, provider.changes())]

    def _apply(self, provider: Provider, changes: Changes) -> list[Where]:
        changed: list[Where] = []
        for name in sorted(changes):  # so that a list of things always gives them the same numbers
            key = provider.name, name
            before, after = self._facts.get(key, {}), {fact.where: fact for fact in changes[name]}
            changed += self._end(key, before, after)
            changed += self._begin(provider, key, before, after)
            self._count_pods(before.values(), after.values())
            self._facts[key] = after
            if not after:
                del self._facts[key]
        return changed

    def _end(self, key: Key, before: dict[Where, Fact], after: dict[Where, Fact]) -> list[Where]:
        ended = [where for where, fact in before.items() if after.get(where) != fact]
        now_ns = time.time_ns()
        for where in ended:
            self.claims.end(where, key, now_ns)
        return ended

    def _begin(self, provider: Provider, key: Key, before: dict[Where, Fact], after: dict[Where, Fact]) -> list[Where]:
        """A changed word of the same key about the same place holds from now on."""
        begun = [(where, fact) for where, fact in after.items() if before.get(where) != fact]
        for where, fact in begun:
            number = self._endpoints.number(fact.who, fact.local)
            rank = provider.rank if fact.rank is None else fact.rank
            # not later than we hear of it: who tells may have another clock
            since_ns = time.time_ns() if where in before else min(fact.since_ns, time.time_ns())
            self.claims.add(where, Claim(number, rank, since_ns, FOREVER_NS, key))
        return [where for where, _ in begun]

    def _count_pods(self, before: Iterable[Fact], after: Iterable[Fact]) -> None:
        went = {(fact.who.namespace, fact.who.pod_name) for fact in before if fact.who.pod_name}
        self._pods.update({(fact.who.namespace, fact.who.pod_name) for fact in after if fact.who.pod_name})
        self._pods.subtract(went)
        for pod in went:
            if not self._pods[pod]:
                del self._pods[pod]
                if self._gone is not None:
                    self._gone(*pod)

    def forget(self) -> None:
        """What ended long ago."""
        self.claims.forget(time.time_ns() - _KEPT_NS)

    def told(self, time_ns: int | None = None) -> dict[int, tuple[list[Where], int]]:
        """What is told now, or was of a time, by the endpoint's number: where it is, and since when (ns; 0: always)."""
        found: dict[int, tuple[list[Where], int]] = {}
        for where, claim in self.claims.held(time_ns):
            begun_ns = claim.since_ns if time_ns is not None else self._facts[claim.key][where].since_ns
            places, since_ns = found.get(claim.number, ([], begun_ns))
            found[claim.number] = [*places, where], min(since_ns, begun_ns)
        return found

"""Who is, and was, said to be at each place, and when."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rubin.identity.facts import Where

FOREVER_NS = 1 << 62
Key = tuple[str, str]
"""A provider's name and its own key."""


class Claim(NamedTuple):
    """That the endpoint of this number is at a place, from when, and until before when."""

    number: int
    rank: int
    since_ns: int
    until_ns: int
    key: Key


class Claims:
    """Claims by place. Of those that hold at a time the highest rank is believed, then the one that came last."""

    def __init__(self) -> None:
        self._at: dict[Where, list[Claim]] = {}

    def add(self, where: Where, claim: Claim) -> None:
        """One more claim."""
        self._at.setdefault(where, []).append(claim)

    def end(self, where: Where, key: Key, now_ns: int) -> None:
        """Who made a claim with this key makes it no more; it stays true of the time before."""
        held = self._at.get(where, [])
        self._at[where] = [
            claim._replace(until_ns=now_ns) if claim.key == key and claim.until_ns == FOREVER_NS else claim
            for claim in held
        ]

    def all(self, where: Where) -> Sequence[Claim]:
        """All claims, ended ones included."""
        return self._at.get(where, ())

    def now(self, where: Where) -> Claim | None:
        """The claim that is believed now, None where nobody makes one."""
        return max(
            (claim for claim in self._at.get(where, ()) if claim.until_ns == FOREVER_NS), key=_weight, default=None
        )

    def then(self, where: Where, time_ns: int) -> Claim | None:
        """The claim that is believed of a time, None where nobody made one."""
        held = self._at.get(where, ())
        return max((one for one in held if one.since_ns <= time_ns < one.until_ns), key=_weight, default=None)

    def held(self, time_ns: int | None = None) -> Iterator[tuple[Where, Claim]]:
        """All places and claims that hold now, or held at a time."""
        for where, claims in self._at.items():
            for claim in claims:
                if claim.until_ns == FOREVER_NS if time_ns is None else claim.since_ns <= time_ns < claim.until_ns:
                    yield where, claim

    def last(self, where: Where) -> Claim | None:
        """The claim to believe of a place that only ever is one's (a container's cgroup), now or before."""
        return max(self._at.get(where, ()), key=lambda claim: (claim.until_ns, *_weight(claim)), default=None)

    def pull_back(self, now_ns: int) -> list[Where]:
        """The clock has been put back: nothing begins or ended later than now. Returns the places where that was so."""
        moved = []
        for where, held in self._at.items():
            then = [claim._replace(since_ns=min(claim.since_ns, now_ns)) for claim in held]
            then = [c if c.until_ns == FOREVER_NS else c._replace(until_ns=min(c.until_ns, now_ns)) for c in then]
            if then != held:
                self._at[where] = then
                moved.append(where)
        return moved

    def forget(self, before_ns: int) -> None:
        """Drop claims that ended before."""
        for where, held in list(self._at.items()):
            if any(claim.until_ns < before_ns for claim in held):
                self._at[where] = [claim for claim in held if claim.until_ns >= before_ns]
                if not self._at[where]:
                    del self._at[where]

    def numbers(self) -> Iterator[int]:
        """The endpoints' numbers of all claims."""
        return (claim.number for held in self._at.values() for claim in held)

    def renumber(self, moved: Mapping[int, int]) -> None:
        """Call the endpoints by their new numbers."""
        for held in self._at.values():
            held[:] = [claim._replace(number=moved[claim.number]) for claim in held]

    def places(self) -> Iterator[Where]:
        """All places."""
        return iter(self._at)


def _weight(claim: Claim) -> tuple[int, int]:
    return claim.rank, claim.since_ns

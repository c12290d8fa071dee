"""What somebody may see: everything, or the flows of some namespaces."""

import json
import re
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from rubin.errors import UsageError
from rubin.model.batch import FlowBatch
from rubin.model.predicates import Answers, Mask
from rubin.model.tables import Endpoint

Patterns = tuple[str, ...]
_MOST_PATTERNS = 10_000


@dataclass(frozen=True)
class Sight:
    """Each of `groups` are patterns as a shell has them, of which a namespace must match one; () is everything.

    A flow is seen if one of its ends is: with all that it says, also of the other end. Losses are seen by all.
    """

    groups: tuple[Patterns, ...] = ()

    @property
    def is_all(self) -> bool:
        """Whether nothing is hidden."""
        return not self.groups

    def sees(self, namespace: str) -> bool:
        """Whether the namespace is one of them; what has none is seen by those only who see all."""
        return self.is_all or (bool(namespace) and all(one.match(namespace) for one in self._patterns))

    def mask(self, batch: FlowBatch) -> Mask:
        """(n,) bool: which flows are seen."""
        if self.is_all:
            return np.ones(len(batch), np.bool_)
        of, ends = batch.tables.endpoints, (batch["source_endpoint"], batch["destination_endpoint"])
        return self._answers(of, ends[0]) | self._answers(of, ends[1])

    def narrowed(self, batch: FlowBatch) -> FlowBatch:
        """What is seen of a batch; its losses stay."""
        if self.is_all or not len(batch):
            return batch
        seen = self.mask(batch)
        return batch if seen.all() else batch.take(seen)

    def within(self, other: "Sight") -> "Sight":
        """What both see."""
        return sight_of(tuple(dict.fromkeys((*self.groups, *other.groups))))

    def header(self) -> str:
        """As a request carries it; "" for everything."""
        return json.dumps(self.groups, separators=(",", ":")) if self.groups else ""

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        return [re.compile("|".join(map(translate, group)) or r"(?!)") for group in self.groups]

    @cached_property
    def _answers(self) -> Answers:
        def is_seen(row: Endpoint) -> bool:
            return self.sees(row.namespace) or self.sees(row.service.namespace)

        return Answers([is_seen])


@lru_cache(256)
def sight_of(groups: tuple[Patterns, ...]) -> Sight:
    """The same one again, with what it has judged."""
    return Sight(groups)


EVERYTHING = sight_of(())


def sight_of_header(text: str) -> Sight:
    """What `Sight.header` wrote. Raises UsageError."""
    if not text:
        return EVERYTHING
    try:
        groups = json.loads(text)
    except ValueError:
        groups = None
    if not _is_groups(groups):
        raise UsageError("the namespaces of the request make no sense", "a list of lists of patterns")
    return sight_of(tuple(map(tuple, groups)))


def _is_groups(found: Any) -> bool:
    lists = isinstance(found, list) and all(isinstance(each, list) for each in found)
    patterns = [one for each in found for one in each] if lists else [None]
    return len(patterns) <= _MOST_PATTERNS and all(isinstance(one, str) for one in patterns)

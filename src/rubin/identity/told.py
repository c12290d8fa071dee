"""What a provider's own thread hands over to the line: the newest facts of each key."""

import threading
from collections.abc import Iterable, Sequence

from rubin.identity.facts import Changes, Fact


class Told:
    """Facts by key, written on any thread, taken on the line's. Between two takings the last word of a key counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: set[str] = set()
        self._changed: dict[str, Sequence[Fact]] = {}

    def tell(self, key: str, facts: Sequence[Fact]) -> None:
        """The facts of a key are these now; () when it has gone."""
        with self._lock:
            self._note(key, facts)

    def tell_all(self, facts: Iterable[tuple[str, Sequence[Fact]]]) -> None:
        """These keys, with their facts, are all there are now: a list that was read anew."""
        everything = dict(facts)
        with self._lock:
            for key in self._keys - everything.keys():
                self._note(key, ())
            for key, told in everything.items():
                self._note(key, told)

    def _note(self, key: str, facts: Sequence[Fact]) -> None:
        self._changed[key] = facts
        if facts:
            self._keys.add(key)
        else:
            self._keys.discard(key)

    def take(self) -> Changes:
        """What was told since the last call."""
        if not self._changed:  # no lock where nothing happens
            return {}
        with self._lock:
            changed, self._changed = self._changed, {}
        return changed

    def __len__(self) -> int:
        return len(self._keys)

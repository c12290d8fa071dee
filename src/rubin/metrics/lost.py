"""What was lost on the way: `hubble_lost_events_total` by Hubble's source, `rubin_lost_events_total` by our place."""

from collections import Counter
from collections.abc import Iterable
from threading import Lock

from rubin.metrics.labels import written
from rubin.metrics.series import Family
from rubin.model.batch import Lost

_HUBBLES = ("perf_event_ring_buffer", "observer_events_queue", "hubble_ring_buffer")


class LostEvents:
    """Counts events, and not notifications as Hubble does for its perf ring."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sources: Counter[str] = Counter(dict.fromkeys(_HUBBLES, 0))  # a rate needs a zero to begin from
        self._places: Counter[str] = Counter()

    def note(self, losses: Iterable[Lost]) -> None:
        """Count losses; may be called on any thread."""
        with self._lock:
            for lost in losses:
                self._sources[lost.source.name.lower()] += lost.events
                self._places[lost.place or lost.source.name.lower()] += lost.events

    def families(self) -> list[Family]:
        """Both counters as they are now."""
        with self._lock:
            return [
                _family("hubble_lost_events_total", "Number of lost events", "source", self._sources),
                _family("rubin_lost_events_total", "Events lost, by the place that lost them", "place", self._places),
            ]


def _family(name: str, text: str, label: str, counts: Counter[str]) -> Family:
    return Family(
        name, "counter", text, [f"{name}{{{written([label], [key])}}} {n}" for key, n in sorted(counts.items())]
    )

"""Hubble's figures of its own metrics endpoint."""

import threading
from bisect import bisect_left
from itertools import accumulate

from rubin.metrics.series import Family

_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # Prometheus' defaults, as Hubble has them
_REQUESTS = "hubble_metrics_http_handler_requests_total"
_DURATION = "hubble_metrics_http_handler_request_duration_seconds"


class Requests:
    """Counts answers and how long they took, by status code."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: dict[int, list[int]] = {}
        self._seconds: dict[int, float] = {}

    def note(self, code: int, duration_s: float) -> None:
        """Count one answer."""
        with self._lock:
            buckets = self._buckets.setdefault(code, [0] * (len(_BOUNDS_S) + 1))
            buckets[bisect_left(_BOUNDS_S, duration_s)] += 1
            self._seconds[code] = self._seconds.get(code, 0.0) + duration_s

    def families(self) -> list[Family]:
        """Both metrics as they are now."""
        with self._lock:
            requests = [f'{_REQUESTS}{{code="{code}"}} {sum(buckets)}' for code, buckets in self._buckets.items()]
            durations = [line for code in self._buckets for line in self._lines(code)]
        return [
            Family(_REQUESTS, "counter", "A counter for requests to the metrics endpoint", requests),
            Family(_DURATION, "histogram", "Latencies of requests to the metrics endpoint", durations),
        ]

    def _lines(self, code: int) -> list[str]:
        counts = list(accumulate(self._buckets[code]))
        ends = [str(bound) for bound in _BOUNDS_S] + ["+Inf"]
        lines = [f'{_DURATION}_bucket{{code="{code}",le="{end}"}} {n}' for end, n in zip(ends, counts, strict=True)]
        lines.append(f'{_DURATION}_sum{{code="{code}"}} {self._seconds[code]}')
        lines.append(f'{_DURATION}_count{{code="{code}"}} {counts[-1]}')
        return lines

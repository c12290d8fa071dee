"""What is said: how much of it is told right, what that costs the observed, and how fast the line reads it."""

from pathlib import Path
from tempfile import TemporaryDirectory

from bench import added, alternatives, exchanges, latency, messages, steady, world
from bench.figures import Figures


def measure(figures: Figures, quick: bool = False) -> None:
    """`l7_*` and `ring_bytes_per_exchange`; beside them `other.*.l7_*`."""
    share = 0.05 if quick else 1.0
    messages.measure(figures, quick)
    with TemporaryDirectory(prefix="rubin-bench-") as name, world.cable():
        folder = Path(name)
        exchanges.measure(figures, folder, share)
        latency.measure(figures, folder, share)
        added.measure(figures, folder, quick)
        added.measure_others(figures, folder, 10 if quick else 100)
        steady.measure(figures, folder, 1 if quick else 8)
        alternatives.measure(figures, folder, *((1, 1) if quick else (2, 3)))

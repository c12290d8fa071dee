"""The agent's own figures: read from callables when somebody asks, so that they cost nothing between."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rubin.metrics.labels import written
from rubin.metrics.series import Family

_LOG = logging.getLogger(__name__)

Sample = tuple[tuple[str, ...], float]
Read = Callable[[], Iterable[Sample]]


@dataclass(frozen=True)
class Figure:
    """One family: `read` gives (label values, number) pairs."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...]
    read: Read

    def family(self) -> Family:
        """The family as it is now."""
        lines = []
        for values, number in self.read():
            label = written(self.labels, values)
            braces = f"{{{label}}}" if label else ""
            lines.append(f"{self.name}{braces} {number:.17g}")
        return Family(self.name, self.kind, self.help, lines)


# fmt: off
_NAMES: dict[str, tuple[str, Literal["counter", "gauge"], tuple[str, ...], str]] = {
    # short name, name, kind, labels, help
    "program_run_ns": ("rubin_program_run_seconds_total", "counter", ("program",), "Time a kernel program ran"),
    "program_runs": ("rubin_program_runs_total", "counter", ("program",), "How often a kernel program ran"),
    "stage_seconds": ("rubin_stage_cpu_seconds_total", "counter", ("stage",), "CPU time of a part of the line"),
    "stage_failures": ("rubin_stage_failures_total", "counter", ("stage",), "Batches that part of the line failed on"),
    "unpaired": ("rubin_messages_unpaired_total", "counter", (), "Requests and answers that could not be paired"),
    "without_headers": ("rubin_messages_without_headers_total", "counter", (), "Messages whose headers were not read"),
    "heard": ("rubin_messages_heard_ratio", "gauge", (), "Share of connections that are listened to, 0 to 1"),
    "libraries": ("rubin_tls_libraries", "gauge", (), "Files in which TLS is read in clear"),
    "libraries_refused": ("rubin_tls_libraries_refused_total", "counter", (), "Files in which it cannot be"),
    "dissector_failures": ("rubin_dissector_failures_total", "counter", (), "Connections that a dissector failed on"),
    "queue_length": ("rubin_queue_length", "gauge", ("queue",), "What waits in a queue"),
    "ring_fill": ("rubin_ring_fill_ratio", "gauge", ("ring",), "How full a ring is, 0 to 1"),
    "memory_bytes": ("rubin_memory_resident_bytes", "gauge", (), "Resident memory of the agent"),
    "map_memory_bytes": ("rubin_kernel_map_memory_bytes", "gauge", ("map",), "Memory of a kernel map"),
    "flows": ("rubin_flows_total", "counter", (), "Flows that the line took"),
    "subscribers": ("rubin_subscribers", "gauge", (), "Clients that follow flows"),
    "info": ("rubin_build_info", "gauge", ("version",), "1, with the version of the agent"),
}
# fmt: on


class Own:
    """Figures by their names; the agent gives a callable for each that it has."""

    def __init__(self) -> None:
        self._figures: list[Figure] = []
        self._failed: set[str] = set()
        self._more: list[Callable[[], Iterable[Family]]] = []

    def give(self, figure: str, read: Read) -> None:
        """Serve one of the figures that are known by a short name (`queue_length`, …)."""
        name, kind, labels, text = _NAMES[figure]
        self.add(Figure(name, kind, text, labels, _in_seconds(read) if figure.endswith("_ns") else read))

    def add(self, figure: Figure) -> None:
        """Serve a figure."""
        self._figures.append(figure)

    def add_families(self, read: Callable[[], Iterable[Family]]) -> None:
        """Serve families that are ready made."""
        self._more.append(read)

    def families(self) -> Iterator[Family]:
        """All figures as they are now; one that cannot be read is left out and said once."""
        for figure in self._figures:
            if (family := self._read(figure)) is not None:
                yield family
        for read in self._more:
            yield from read()

    def _read(self, figure: Figure) -> Family | None:
        try:
            return figure.family()
        except Exception:
            # an agent that loses one figure still serves the others
            if figure.name not in self._failed:
                self._failed.add(figure.name)
                _LOG.exception("metrics: figure=%s cannot be read", figure.name)
            return None


def _in_seconds(read: Read) -> Read:
    return lambda: [(labels, number / 1e9) for labels, number in read()]


def one(read: Callable[[], float]) -> Read:
    """A figure without labels."""
    return lambda: [((), read())]


def by_name(read: Callable[[], Iterable[tuple[str, float]]]) -> Read:
    """A figure with one label out of (name, number) pairs."""
    return lambda: [((name,), number) for name, number in read()]


FIGURES: Mapping[str, tuple[str, ...]] = {figure: labels for figure, (_, _, labels, _) in _NAMES.items()}
"""The labels of each figure by its short name."""

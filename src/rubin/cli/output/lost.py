"""What was lost, as text. Beyond Hubble, our own place of the loss stands behind it in square brackets."""

from rubin.model.batch import Lost
from rubin.model.enums import LostSource
from rubin.words.text import clean
from rubin.words.wording import Options


def compact(lost: Lost, options: Options) -> str:
    """`Jan  1 00:20:34.567 EVENTS LOST: HUBBLE_RING_BUFFER CPU(0) 5 (first: …, last: …)`."""
    node = f" [{clean(lost.node_name)}]" if options.node_name else ""
    time = options.clock.text(lost.time_ns)
    return f"{time}{node} EVENTS LOST: {_source(lost)} CPU({_cpu(lost)}) {lost.events}{_span(lost, options)}\n"


def block(lost: Lost, options: Options) -> str:
    """The lines of `-o dict`."""
    node = f"       NODE: {clean(lost.node_name)}\n" if options.node_name else ""
    time, _, source, _, kind, verdict, summary = row(lost, options)
    return (
        f"  TIMESTAMP: {time}\n{node}"
        f"     SOURCE: {source}\n"
        f"       TYPE: {kind}\n"
        f"    VERDICT: {verdict}\n"
        f"    SUMMARY: {summary}\n"
    )


def row(lost: Lost, options: Options) -> tuple[str, str, str, str, str, str, str]:
    """Time, node, source, destination, type, verdict, summary."""
    summary = f"CPU({_cpu(lost)}) - {lost.events}{_span(lost, options)}"
    return options.clock.text(lost.time_ns), clean(lost.node_name), _source(lost), "-", "EVENTS LOST", "-", summary


def _source(lost: Lost) -> str:
    return LostSource(lost.source).name if lost.source in LostSource._value2member_map_ else str(lost.source)


def _cpu(lost: Lost) -> int:
    return max(lost.cpu, 0)


def _span(lost: Lost, options: Options) -> str:
    place = f" [{clean(lost.place)}]" if lost.place else ""
    if not lost.first_ns or not lost.last_ns:
        return place
    return f" (first: {options.clock.text(lost.first_ns)}, last: {options.clock.text(lost.last_ns)}){place}"

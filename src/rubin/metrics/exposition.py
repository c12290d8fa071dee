"""The page that Prometheus reads: its text format 0.0.4, and OpenMetrics 1.0."""

from collections.abc import Iterable, Iterator, Sequence

from rubin.metrics.series import Family

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_TOTAL = "_total"


def page(families: Iterable[Family], open_metrics: bool) -> bytes:
    """The families that have lines, each with its kind and help."""
    parts: list[str] = []
    for family in families:
        if family.lines:
            parts += _head(family, open_metrics)
            parts += _with_exemplars(family) if open_metrics else family.lines
    if open_metrics:
        parts.append("# EOF")
    parts.append("")
    return "\n".join(parts).encode("utf-8", "replace")


def _with_exemplars(family: Family) -> Sequence[str]:
    exemplars = family.exemplars()
    if not exemplars:
        return family.lines
    return [line + exemplars.get(place, "") for place, line in enumerate(family.lines)]


def _head(family: Family, open_metrics: bool) -> Iterator[str]:
    # OpenMetrics names a counter's family without the suffix that its samples have
    name = family.name.removesuffix(_TOTAL) if open_metrics and family.kind == "counter" else family.name
    text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    if open_metrics:
        text = text.replace('"', '\\"')
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {family.kind}"


def wants_open_metrics(accept: str) -> bool:
    """Whether an Accept header likes OpenMetrics at least as much as plain text (RFC 9110, 12.5.1)."""
    liked = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept.split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        if media.lower() in liked:
            liked[media.lower()] = max(liked[media.lower()], _quality(parameters))
    return liked["application/openmetrics-text"] > 0 and liked["application/openmetrics-text"] >= liked["text/plain"]


def _quality(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0

"""Which metrics, with which options: the string of the agent's flag, and the list that Helm users know."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from rubin.errors import UsageError
from rubin.metrics.options import NAMES as CONTEXT_OPTIONS
from rubin.metrics.options import Options, is_context, options

BEYOND_HUBBLE = ("traffic", "tcp-connect", "tcp-rtt", "tcp-retransmits", "tcp-resets", "kernel-drops", "requests")
"""Metrics of ours, prefix `rubin_`: on whether they are named or not."""

KNOWN: Mapping[str, tuple[str, ...]] = {
    "flow": (),
    "drop": (),
    "tcp": (),
    "flows-to-world": ("any-drop", "port", "syn-only"),
    "port-distribution": (),
    "icmp": (),
    "sctp": (),
    "policy": (),
    **dict.fromkeys(BEYOND_HUBBLE, ()),
    "dns": ("query", "ignoreAAAA"),
    "http": ("exemplars",),
    "httpV2": ("exemplars",),
    "kafka": (),
}
"""Every name with the options that it takes besides the context options."""

_ALIASES = {"flow-to-world": "flows-to-world"}
_BLANKS = re.compile(r"\s+")
_COMMAS = re.compile(r"\s*(?<!\\),\s*")  # in Helm's list a comma inside a value is escaped
_ITEMS = re.compile(r"[|,]")


@dataclass(frozen=True)
class Metric:
    """One metric as configured. `flags` are the options that are no context options, in lower case."""

    name: str
    context: Options = field(default_factory=Options)
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Configuration:
    """The metrics to serve, and what a reader of the log should know."""

    metrics: tuple[Metric, ...] = ()
    notes: tuple[str, ...] = ()


def parse(given: str | Iterable[str]) -> Configuration:
    """The configuration out of a string, or of a list with one metric an item.

    A string is separated by blanks, or by commas where it stands in braces as in Helm's `--set`. A
    metric that is named twice has the options of the last one. Raises UsageError for unknown names.
    """
    items = _items(given) if isinstance(given, str) else [item.strip() for item in given]
    return configured([_metric(item) for item in items if item])


def _items(text: str) -> list[str]:
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        # Helm's own list; a newline or blank inside an item separates as well
        return [part for item in _COMMAS.split(text[1:-1]) for part in _BLANKS.split(item)]
    return _BLANKS.split(text)


def _metric(item: str) -> Metric:
    name, _, rest = item.partition(":")
    given = [option.partition("=") for option in rest.split(";") if option]
    return metric(
        name, {option: [value for value in _ITEMS.split(_unescaped(text)) if value] for option, _, text in given}
    )


def _unescaped(text: str) -> str:
    return text.replace("\\,", ",")


def metric(name: str, given: Mapping[str, Sequence[str]]) -> Metric:
    """A metric with its options. Raises UsageError where a name is not known."""
    name = _ALIASES.get(name, name)
    if name not in KNOWN:
        raise UsageError(f"metric '{name}' does not exist", _near(name, KNOWN, "," in name))
    own = {option.lower(): option for option in KNOWN[name]}
    flags = set()
    for option, values in given.items():
        if option.lower() in own:
            if [value.lower() for value in values] != ["false"]:
                flags.add(option.lower())
        elif not is_context(option):
            known = (*KNOWN[name], *CONTEXT_OPTIONS)
            raise UsageError(f"metric '{name}' has no option '{option}'", _near(option, known))
    return Metric(name, options(given), frozenset(flags))


def _near(name: str, known: Iterable[str], commas: bool = False) -> str:
    if commas:
        return "separate metrics by blanks, or write them as {drop,flow,…}"
    return "one of " + ", ".join(get_close_matches(name, list(known), 3) or known)


def configured(metrics: Iterable[Metric]) -> Configuration:
    """The configuration of these metrics; ours are added. Raises UsageError for metrics that exclude each other."""
    chosen: dict[str, Metric] = {}
    notes = []
    for one in metrics:
        if one.name in chosen:
            notes.append(f"metric '{one.name}' is configured twice; the last one counts")
        chosen[one.name] = one
    if "http" in chosen and "httpV2" in chosen:
        raise UsageError("metrics 'http' and 'httpV2' exclude each other", "leave out http: httpV2 has its figures")
    ours = [Metric(name, OWN_CONTEXT) for name in BEYOND_HUBBLE if name not in chosen]
    return Configuration((*chosen.values(), *ours), tuple(notes))


OWN_CONTEXT = options({"labelsContext": ["source_namespace", "source_app", "destination_namespace", "destination_app"]})
"""The labels of our own metrics where nothing else is said: those of the article's dashboards."""

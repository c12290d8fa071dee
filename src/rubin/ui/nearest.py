"""The name that was meant, where a filter names nobody who is held."""

import difflib
from collections.abc import Iterable

from rubin.model.tables import Endpoint
from rubin.store.ring import Ring
from rubin.words.terms import Term

_MOST_ROWS = 200_000
_NAMED = ("namespace", "pod", "workload", "service", "process", "fqdn")


def nearest(ring: Ring, term: Term) -> str:
    """A name that is held and looks like the one asked for; "" where there is none, or it is no name."""
    kind = term.name.removeprefix("from-").removeprefix("to-")
    if kind not in _NAMED:
        return ""
    names: set[str] = set()
    for tables in {id(view.tables): view.tables for view in ring.scan(as_stored=True) if len(view)}.values():
        if kind == "process":
            names |= {process.command for process in tables.processes.rows[:_MOST_ROWS]}
            continue
        for one in tables.endpoints.rows[:_MOST_ROWS]:
            names.update(_names(kind, one))
    found = difflib.get_close_matches(term.value, sorted(names - {"", term.value}), 1)
    return found[0] if found else ""


def _names(kind: str, one: Endpoint) -> Iterable[str]:
    match kind:
        case "namespace":
            return (one.namespace,)
        case "pod":
            return (f"{one.namespace}/{one.pod_name}" if one.pod_name else "",)
        case "service":
            return (f"{one.service.namespace}/{one.service.name}" if one.service.name else "",)
        case "workload":
            return (workload.name for workload in one.workloads)
    return (name.rstrip(".") for name in one.names)

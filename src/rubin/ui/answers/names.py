"""Who is held and called so: for who types a part of a name."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from rubin.model.tables import Endpoint, Process, Tables
from rubin.query.places import sound
from rubin.store.ring import Ring
from rubin.words.terms import Term, canonical, query_of

Answer = dict[str, Any]

KINDS = ("namespace", "workload", "service", "pod", "name", "process")
"""In the order in which they are told."""
_MOST = 20
_MOST_ROWS = 200_000


class _Named(NamedTuple):
    kind: str
    name: str
    asked: tuple[Term, ...]


def names(ring: Ring, text: str) -> Answer:
    """Those whose name has the text in it, whatever the case: who begins with it first, then by kind and length."""
    low = text.strip().lower()
    found: set[_Named] = set()
    for tables in {id(view.tables): view.tables for view in ring.scan(as_stored=True) if len(view)}.values():
        found.update(one for one in _of(tables, low) if low in one.name.lower())
    chosen = sorted(found, key=lambda one: _order(one, low))[:_MOST] if low else []
    return {"names": [_told(one) for one in chosen]}


def _order(one: _Named, low: str) -> tuple[bool, int, int, str]:
    return not one.name.lower().startswith(low), KINDS.index(one.kind), len(one.name), one.name


def _told(one: _Named) -> Answer:
    return {"kind": one.kind, "name": one.name, "query": query_of(canonical(sound(one.asked)))}


def _of(tables: Tables, low: str) -> Iterator[_Named]:
    for one in tables.endpoints.rows[1:_MOST_ROWS]:
        if low in _letters(one):
            yield from _endpoint(one)
    yield from _processes(tables.processes.rows[1:_MOST_ROWS])


def _letters(one: Endpoint) -> str:
    """All that it is called."""
    parts = (one.namespace, one.pod_name, one.service.name, *one.names, *[each.name for each in one.workloads])
    return "\n".join(parts).lower()


def _endpoint(one: Endpoint) -> Iterator[_Named]:
    within = (Term("namespace", one.namespace),) if one.namespace else ()
    if within:
        yield _Named("namespace", one.namespace, within)
    for each in one.workloads:
        called = f"{each.kind}/{each.name}" if each.kind else each.name
        yield _Named("workload", each.name, (*within, Term("workload", called)))
    if one.pod_name:
        yield _Named("pod", one.pod_name, (Term("pod", f"{one.namespace}/{one.pod_name}"),))
    if one.service.name:
        full = f"{one.service.namespace or 'default'}/{one.service.name}"
        yield _Named("service", one.service.name, (Term("service", full),))
    for name in one.names:
        yield _Named("name", name.rstrip("."), (Term("fqdn", name.rstrip(".")),))


def _processes(rows: Iterable[Process]) -> Iterator[_Named]:
    for command in {one.command for one in rows}:
        yield _Named("process", command, (Term("process", command),))

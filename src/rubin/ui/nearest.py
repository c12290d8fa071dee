"""The name that was meant, where a filter names nobody who is held."""

import sys
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

import numpy as np

from rubin.model.tables import Endpoint
from rubin.store.ring import Ring
from rubin.words.terms import Term

_MOST_ROWS = 200_000
_MOST_LOOKED_AT, _MANY_BYTES = 64, 1 << 20
_ALIKE = 0.6  # as difflib has it
_NEWLINE = ord("\n")
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
    return closest(term.value, tuple(names - {"", term.value}))


def closest(word: str, names: Sequence[str]) -> str:
    """The one that looks most like the word, the last among equals; "" where none does.

    As `difflib.get_close_matches` has it, but that looks at each name, for seconds where there are very many. Here it
    looks only at those that share most pairs of letters with the word.
    """
    best, least = "", _ALIKE
    matcher = SequenceMatcher(b=word)
    for name in _likeliest(word, names):
        matcher.set_seq1(name)
        if matcher.real_quick_ratio() < least or matcher.quick_ratio() < least:
            continue
        alike = matcher.ratio()
        if alike > least or (alike == least and name > best):
            best, least = name, alike
    return best


def _likeliest(word: str, names: Sequence[str]) -> Sequence[str]:
    """Those that share most pairs of letters with the word, for their lengths (Dice), the likeliest first."""
    if len(names) <= _MOST_LOOKED_AT:
        return names
    joined = "\n".join(names)
    if joined.count("\n") != len(names) - 1:
        return _likeliest(word, [name for name in names if "\n" not in name])
    text, sought = f"\n{joined}\n".encode(errors="replace"), word.encode(errors="replace")
    known = np.zeros(1 << 16, np.uint8)
    known[[int.from_bytes(sought[at : at + 2], sys.byteorder) for at in range(len(sought) - 1)]] = 1
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == _NEWLINE)
    shared = np.zeros(len(names), np.uint16)
    for at in (0, 1) if len(text) < _MANY_BYTES else (0,):  # of very many names every other pair says enough
        pairs = np.frombuffer(text, np.uint16, (len(text) - at) // 2, at)
        shared += np.add.reduceat(known.take(pairs), ends[:-1] // 2, dtype=np.uint16)
    alike = shared / (np.diff(ends) + len(sought))
    most = np.argpartition(-alike, _MOST_LOOKED_AT)[:_MOST_LOOKED_AT]
    return [names[at] for at in most[np.argsort(-alike[most])].tolist()]


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

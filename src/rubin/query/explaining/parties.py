"""Who is meant by a word: an address, pod, workload, service, DNS name, container, unit or process, as in filters."""

import difflib
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rubin.errors import UsageError
from rubin.model.batch import FlowBatch
from rubin.model.meanings import BEYOND_HUBBLE, MEANINGS
from rubin.model.predicates import Predicate, Rows, RowTest
from rubin.model.tables import Endpoint, Tables
from rubin.model.values import workload

Mask = npt.NDArray[np.bool_]

_NEAR = 3
_PORT = re.compile(r"(.*):([0-9]{1,5})", re.ASCII)
_SIDES = ("source", "destination")


class Party:
    """One word. Raises UsageError where it is none."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        if not self.text:
            raise UsageError("'' names nobody", "an address, pod, workload, service, DNS name, container or process")
        self._predicates = {side: list(self._of(side)) for side in _SIDES}

    def mask(self, view: FlowBatch, side: str) -> Mask:
        """(n,) bool: rows whose end on this side is meant."""
        found = np.zeros(len(view), np.bool_)
        for predicate in self._predicates[side]:
            found |= predicate(view, None)
        return found

    def _of(self, side: str) -> Iterator[Predicate]:
        text, tests = self.text, list[RowTest]()
        names = {f"{side}_service": text, f"{side}_fqdn": text, f"{side}_pod": text if "/" in text else f"/{text}"}
        meanings: dict[str, Any] = {**MEANINGS, **BEYOND_HUBBLE}
        values: dict[str, Any] = {**names, f"{side}_workload": workload(text)}
        values |= {f"{side}_{name}": text for name in ("container", "unit", "process")}
        for name, value in values.items():
            predicate = _compiled(meanings[name], value)
            if isinstance(predicate, Rows):
                tests += predicate.answers.tests
            elif predicate is not None:
                yield predicate
        yield Rows(f"{side}_endpoint", (lambda row: any(test(row) for test in tests),))
        if by_address := _compiled(meanings[f"{side}_ip"], text):
            yield by_address


def _compiled(meaning: Callable[[tuple[Any, ...]], Predicate], value: Any) -> Predicate | None:
    """The filter's judgement; None where the word cannot be meant so."""
    try:
        return meaning((value,))
    except UsageError:
        return None


class Pair(NamedTuple):
    """Who asks, who is asked, and at which port (0: any)."""

    source: Party
    destination: Party
    port: int

    @classmethod
    def of(cls, source: str, destination: str) -> "Pair":
        """Of `SRC` and `DST[:PORT]`; the port of an IPv6 address stands behind brackets. Raises UsageError."""
        text, port = destination.strip(), 0
        match = _PORT.fullmatch(text)
        if match and (":" not in match[1] or match[1].startswith("[")):
            text, port = match[1], int(match[2])
            if not 0 < port < 1 << 16:
                raise UsageError(f"'{destination}' has no port that exists", "a number from 1 to 65535")
        return cls(Party(source), Party(text.removeprefix("[").removesuffix("]")), port)

    def mask(self, view: FlowBatch) -> Mask:
        """(n,) bool: rows of connections from the one to the other."""
        reply = view["is_reply"]
        found: Mask = self._one_way(view, "source", "destination") & (reply != 1)
        # Of a drop it is not known who had opened the connection; that from the port asked for is an answer.
        back = (reply == 1) | ((reply < 0) & (view["source_port"] == self.port)) if self.port else reply == 1
        if back.any():
            found |= back & self._one_way(view, "destination", "source")
        return found

    def _one_way(self, view: FlowBatch, source: str, destination: str) -> Mask:
        found = self.destination.mask(view, destination)
        if self.port:
            found &= view[f"{destination}_port"] == self.port
        if found.any():
            found &= self.source.mask(view, source)
        return found


def nearest(tables: list[Tables], word: str) -> list[str]:
    """Names of endpoints and processes that are written nearly so; for somebody who has mistyped one."""
    names: set[str] = set()
    for one in tables:
        for endpoint in list(one.endpoints.rows):
            names.update(_names(endpoint))
        names.update(process.command for process in list(one.processes.rows))
    short = {name.rpartition("/")[2]: name for name in sorted(names) if name}
    found = difflib.get_close_matches(word, names, _NEAR)
    found += [short[name] for name in difflib.get_close_matches(word.rpartition("/")[2], short, _NEAR)]
    return list(dict.fromkeys(found))[:_NEAR]


def _names(of: Endpoint) -> Iterator[str]:
    yield of.called
    yield from of.names
    yield from (one.name for one in of.workloads)
    yield of.container.name
    yield of.unit

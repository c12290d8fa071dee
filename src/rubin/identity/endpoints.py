"""Endpoints by number, and their codes in the tables of a batch."""

from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from rubin.identity.numbers import Identities
from rubin.model.tables import Endpoint, Service, Tables

I64 = npt.NDArray[np.int64]


class Endpoints:
    """`number` of an endpoint, `codes` of numbers in a batch's tables. Number 0 is nobody.

    Those that are `provisional` stand for "nobody has told yet": a flow that has one is asked about again.
    """

    def __init__(self) -> None:
        self._identities = Identities()
        self._rows: list[Endpoint] = [Endpoint()]
        self._numbers: dict[Endpoint, int] = {}
        self._served: dict[tuple[int, Service], int] = {}
        self._provisional: set[int] = set()
        self._codes: WeakKeyDictionary[Tables, I64] = WeakKeyDictionary()
        self._asked_again: WeakKeyDictionary[Tables, set[int]] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> Endpoint:
        return self._rows[number]

    def number(self, endpoint: Endpoint, local: bool, provisional: bool = False) -> int:
        """The number of an endpoint, whose identity and ID are filled in."""
        number = self._numbers.get(endpoint)
        if number is None:
            number = self._numbers[endpoint] = len(self._rows)
            self._rows.append(self._identities.filled(endpoint, local))
            if provisional:
                self._provisional.add(number)
        return number

    def served(self, number: int, service: Service) -> int:
        """The same endpoint, called by a service."""
        key = number, service
        found = self._served.get(key)
        if found is None:
            found = self._served[key] = len(self._rows)
            self._rows.append(replace(self._rows[number], service=service))
        return found

    def codes(self, numbers: I64, tables: Tables) -> npt.NDArray[np.uint32]:
        """(n,) uint32: the codes that endpoints have in a batch's tables; new ones are added there."""
        known = self._codes.get(tables)
        if known is None or len(known) < len(self._rows):
            grown = np.full(2 * len(self._rows), -1, np.int64)
            grown[: 1 if known is None else len(known)] = 0 if known is None else known
            known = self._codes[tables] = grown
        codes = known[numbers]
        new = codes < 0
        if new.any():
            for number in np.unique(numbers[new]).tolist():
                known[number] = self._code(number, tables)
            codes = known[numbers]
        return codes.astype(np.uint32)

    def _code(self, number: int, tables: Tables) -> int:
        code = tables.endpoints.code(self._rows[number])
        if number in self._provisional:
            self._asked_again.setdefault(tables, set()).add(code)
        return code

    def asked_again(self, tables: Tables) -> list[int]:
        """The codes in these tables that stand for "not told yet"."""
        return sorted(self._asked_again.get(tables, ()))

    def keep(self, numbers: set[int]) -> dict[int, int]:
        """Forget all other endpoints; returns the new number of each old one."""
        kept = sorted(numbers - {0})
        moved = {0: 0} | {old: new for new, old in enumerate(kept, 1)}
        named = {number: endpoint for endpoint, number in self._numbers.items()}
        self._numbers = {named[old]: new for old, new in moved.items() if old in named}
        self._rows = [Endpoint(), *(self._rows[old] for old in kept)]
        self._provisional = {moved[old] for old in self._provisional if old in moved}
        self._served.clear()
        self._codes.clear()  # what stands in the tables stays there
        self._identities.keep(self._rows)
        return moved

"""By which service somebody was called: where the port says it, and where NAT sent a socket's packets elsewhere."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from rubin.identity.addresses import Addresses
from rubin.identity.claims import FOREVER_NS, Claims
from rubin.identity.endpoints import Endpoints
from rubin.identity.facts import ServicePort
from rubin.model.addresses import pair
from rubin.model.batch import FlowBatch
from rubin.model.codes import Codes, mix
from rubin.model.enums import TracePoint
from rubin.model.lookup import Lookup
from rubin.model.tables import Contents, Service

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

_NONE = Service()
_LATE = np.array([FOREVER_NS - 1])


class Services:
    """Adds services to endpoint numbers: the same endpoint, called by a service, is another number."""

    def __init__(self, claims: Claims, endpoints: Endpoints, addresses: Addresses) -> None:
        self._claims, self._endpoints, self._addresses = claims, endpoints, addresses
        self._places: list[ServicePort] = []
        self._asked: list[tuple[str, int]] = [("", 0)]
        self._asked_numbers: dict[tuple[str, int], int] = {}
        self._of_contents: Lookup[Contents] = Lookup("contents", self._asked_number)
        self.changed(True)

    def changed(self, ports: bool) -> None:
        """What is told of addresses, or of `ports` too, has changed."""
        self._known: dict[tuple[int, int], Service] = {}
        if not ports:
            return
        self._places = [place for place in self._claims.places() if isinstance(place, ServicePort)]
        self._hosts, self._ports = Codes(), Codes()
        if self._places:
            halves = np.array([pair(place.address) for place in self._places], np.uint64).reshape(-1, 2)
            doors = np.array([place.port << 8 | place.protocol for place in self._places], np.uint64)
            for codes, keys in ((self._hosts, mix(*halves.T)), (self._ports, mix(*halves.T, doors))):
                distinct, first = np.unique(keys, return_index=True)
                codes.add_all(distinct, first)

    def add_ports(self, batch: FlowBatch, numbers: I64, high: U64, low: U64) -> None:
        """To both sides' numbers, one after the other, the service whose port it is."""
        if not self._places:
            return
        rows = np.flatnonzero(self._hosts.find(mix(high, low)) >= 0)
        if len(rows):
            ports = np.concatenate([batch["source_port"], batch["destination_port"]])[rows]
            protocols = np.concatenate([batch["protocol"], batch["protocol"]])[rows]
            found = self._at(high[rows], low[rows], ports, protocols)
            for place in np.unique(found[found >= 0]).tolist():
                self._serve(numbers, rows[found == place], self._service(place))

    def _at(self, high: U64, low: U64, ports: npt.NDArray[np.uint16], protocols: npt.NDArray[np.uint8]) -> I64:
        """(n,) int64: the place of each, -1 where no service has it."""
        return self._ports.find(mix(high, low, ports.astype(np.uint64) << np.uint64(8) | protocols))

    def _service(self, place: int) -> Service:
        claim = self._claims.now(self._places[place])
        return _NONE if claim is None else self._endpoints[claim.number].service

    def add_asked(self, batch: FlowBatch, sides: Mapping[str, I64]) -> None:
        """To the number of the side that answered, the service that the local socket had asked for."""
        if "contents" not in batch:
            return
        asked = self._of_contents(batch.tables)[batch["contents"]]
        if not asked.any():
            return
        for side, point in (("destination", TracePoint.TO_STACK), ("source", TracePoint.TO_ENDPOINT)):
            rows = np.flatnonzero((asked > 0) & (batch["trace_point"] == point))
            questions = asked[rows].astype(np.int64) << 8 | batch["protocol"][rows]
            for question in np.unique(questions).tolist():
                service = self._asked_for(question >> 8, question & 255)
                self._serve(sides[side], rows[questions == question], service)

    def _asked_number(self, contents: Contents) -> int:
        if contents.translation is None:
            return 0
        asked = contents.translation.address, contents.translation.port
        number = self._asked_numbers.get(asked)
        if number is None:
            number = self._asked_numbers[asked] = len(self._asked)
            self._asked.append(asked)
        return number

    def _asked_for(self, asked: int, protocol: int) -> Service:
        found = self._known.get((asked, protocol))
        if found is None:
            address, port = self._asked[asked]
            high, low = (np.array([half], np.uint64) for half in pair(address))
            place = int(self._at(high, low, np.array([port], np.uint16), np.array([protocol], np.uint8))[0])
            if place >= 0:
                found = self._service(place)
            else:
                found = self._endpoints[int(self._addresses.numbers(high, low, _LATE)[0])].service
            self._known[asked, protocol] = found
        return found

    def _serve(self, numbers: I64, rows: I64, service: Service) -> None:
        if service == _NONE:
            return
        for number in np.unique(numbers[rows]).tolist():
            numbers[rows[numbers[rows] == number]] = self._endpoints.served(number, service)

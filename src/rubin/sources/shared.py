"""The rows that packets share: their links and tunnels, found once per distinct packet head."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rubin.dissect.packets import Frames, Packets
from rubin.model import addresses
from rubin.model.batch import Array
from rubin.model.codes import U64, Codes, mix
from rubin.model.tables import Contents, Link, Tables, Tunnel

_VXLAN = 1  # flow.Tunnel.Protocol


class Shared:
    """Codes of links and tunnels in one `Tables`."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._links = _Seen()
        self._tunnels = _Seen()

    def or_new(self) -> "Shared":
        """Itself, or one with fresh tables when these are full."""
        return Shared(Tables()) if self.tables.full else self

    def links(self, frames: Frames, interface: Array, names: list[str]) -> npt.NDArray[np.int64]:
        """(n,) code of each packet's link; 0 where neither interface nor frame is known."""

        def row(at: int) -> int:
            name = names[interface[at]]
            macs = _mac(int(frames.source_mac[at])), _mac(int(frames.destination_mac[at]))
            return self.tables.links.code(Link(int(frames.ifindex[at]), name, *macs, int(frames.vlan[at])))

        columns = (interface, frames.source_mac, frames.destination_mac, frames.vlan, frames.ifindex)
        return self._links.codes(mix(*columns), row)

    def tunnels(self, packets: Packets) -> npt.NDArray[np.int64]:
        """(n,) code of the contents that name the outer packet; 0 where there is none."""
        codes = np.zeros(len(packets.broken), np.int64)
        if len(packets.tunnelled):
            names = (
                "source_high",
                "source_low",
                "destination_high",
                "destination_low",
                "source_port",
                "destination_port",
            )
            outer = [packets.outer[name] for name in names]
            codes[packets.tunnelled] = self._tunnels.codes(
                mix(*outer, packets.vni),
                lambda at: self._tunnel([int(column[at]) for column in outer], int(packets.vni[at])),
            )
        return codes

    def _tunnel(self, outer: list[int], vni: int) -> int:
        source, destination = addresses.text(outer[0], outer[1]), addresses.text(outer[2], outer[3])
        return self.tables.contents.code(Contents(tunnel=Tunnel(_VXLAN, source, destination, outer[4], outer[5], vni)))


class _Seen:
    """Codes by key; a new key asks for its row."""

    def __init__(self) -> None:
        self._numbers = Codes()
        self._codes: list[int] = []

    def codes(self, keys: U64, row: Callable[[int], int]) -> npt.NDArray[np.int64]:
        numbers = self._numbers.find(keys)
        missing = np.flatnonzero(numbers < 0)
        if len(missing):
            new, first = np.unique(keys[missing], return_index=True)
            for key, at in zip(new.tolist(), missing[first].tolist(), strict=True):
                self._numbers.add(key, len(self._codes))
                self._codes.append(row(at))
            numbers = self._numbers.find(keys)
        return np.array(self._codes, np.int64)[numbers]


def _mac(number: int) -> str:
    return ":".join(f"{number:012x}"[i : i + 2] for i in range(0, 12, 2)) if number else ""

"""Who opened a connection, from its packets alone, over many batches."""

import numpy as np
import numpy.typing as npt

from rubin.dissect.view import Mask
from rubin.model.batch import Array
from rubin.model.codes import U64, Codes, mix
from rubin.model.enums import Protocol, SCTPChunk, TCPFlags

_REQUESTS = {Protocol.ICMPv4: (8, 13, 15, 17), Protocol.ICMPv6: (128,)}
_ANSWERS = {Protocol.ICMPv4: (0, 14, 16, 18), Protocol.ICMPv6: (129,)}
_UNKNOWN = -1


class Openers:
    """Remembers the openers of the connections seen last, up to twice `LIMIT`.

    A SYN (or SCTP INIT) says who opens, its answer too; else the first one to send does. Echo and
    its like say by their type; of other packets nothing is known.
    """

    LIMIT = 1 << 20

    def __init__(self) -> None:
        self._young = _Generation()
        self._old = _Generation()

    def replies(self, columns: dict[str, Array]) -> tuple[npt.NDArray[np.int8], Mask]:
        """(n,) `is_reply` as the column has it, and (n,) bool: which packets began a connection."""
        protocol = columns["protocol"]
        reply = np.full(len(protocol), _UNKNOWN, np.int8)
        new = np.zeros(len(protocol), np.bool_)
        for kind in (Protocol.ICMPv4, Protocol.ICMPv6):
            own = protocol == kind
            reply[own & np.isin(columns["icmp_type"], _REQUESTS[kind])] = 0
            reply[own & np.isin(columns["icmp_type"], _ANSWERS[kind])] = 1
        ported = np.isin(protocol, (Protocol.TCP, Protocol.UDP, Protocol.SCTP))
        rows = np.flatnonzero(ported & (columns["source_port"] | columns["destination_port"] != 0))
        if len(rows):
            reply[rows], new[rows] = self._of_connections({name: column[rows] for name, column in columns.items()})
        return reply, new

    def _of_connections(self, columns: dict[str, Array]) -> tuple[npt.NDArray[np.int8], Mask]:
        keys, forward = _keys(columns)
        codes = self._codes(keys)
        order = np.argsort(codes, kind="stable")
        codes, forward = codes[order], forward[order]
        said = _said(columns, order, forward)
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        known = self._young.openers[codes[starts]]
        new = np.zeros(len(codes), np.bool_)
        new[starts] = known == _UNKNOWN
        fallback = np.where(known == _UNKNOWN, forward[starts], known)
        said[starts] = np.where(said[starts] == _UNKNOWN, fallback, said[starts])
        # each row takes the last word said before it; the first row of a connection has one
        last = np.maximum.accumulate(np.where(said != _UNKNOWN, np.arange(len(said)), 0))
        opener = said[last]
        ends = np.append(starts[1:], len(codes)) - 1
        self._young.openers[codes[ends]] = opener[ends]
        back = np.empty(len(order), np.intp)
        back[order] = np.arange(len(order))
        return (opener != forward).astype(np.int8)[back], new[back]

    def _codes(self, keys: U64) -> npt.NDArray[np.int64]:
        """A code per connection in the young generation; the old one hands over what it knows."""
        if len(self._young.codes) > self.LIMIT:
            self._young, self._old = _Generation(), self._young
        codes = self._young.codes.find(keys)
        missing = np.unique(keys[codes < 0])
        if len(missing):
            self._young.add(missing, self._old.known(missing))
            codes = self._young.codes.find(keys)
        return codes


class _Generation:
    """Openers by code: 1 when it is the one whose address comes first, 0 the other."""

    def __init__(self) -> None:
        self.codes = Codes()
        self.openers = np.full(1024, _UNKNOWN, np.int8)

    def add(self, keys: U64, openers: npt.NDArray[np.int8]) -> None:
        first = len(self.codes)
        end = first + len(keys)
        if end > len(self.openers):
            grown = np.full(2 * end, _UNKNOWN, np.int8)
            grown[: len(self.openers)] = self.openers
            self.openers = grown
        for code, key in enumerate(keys.tolist(), first):
            self.codes.add(key, code)
        self.openers[first:end] = openers

    def known(self, keys: U64) -> npt.NDArray[np.int8]:
        codes = self.codes.find(keys)
        return np.where(codes < 0, _UNKNOWN, self.openers[codes]).astype(np.int8)


def _keys(columns: dict[str, Array]) -> tuple[U64, npt.NDArray[np.int8]]:
    """A key per connection, and whether the packet goes from the lesser end to the greater."""
    source, destination = (
        (columns[f"{side}_high"], columns[f"{side}_low"], columns[f"{side}_port"]) for side in ("source", "destination")
    )
    forward = source[2] <= destination[2]
    for ours, theirs in ((source[1], destination[1]), (source[0], destination[0])):
        forward = np.where(ours == theirs, forward, ours < theirs)
    ends = [np.where(forward, a, b) for a, b in zip(source + destination, destination + source, strict=True)]
    return mix(*ends, columns["protocol"]), forward.astype(np.int8)


def _said(columns: dict[str, Array], order: Array, forward: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """What each packet says of the opener by itself, in the order given."""
    protocol, flags, chunk = (columns[name][order] for name in ("protocol", "tcp_flags", "sctp_chunk_type"))
    tcp, sctp = protocol == Protocol.TCP, protocol == Protocol.SCTP
    handshake = flags & (TCPFlags.SYN | TCPFlags.ACK)
    opens = (tcp & (handshake == TCPFlags.SYN)) | (sctp & (chunk == SCTPChunk.INIT))
    answers = (tcp & (handshake == TCPFlags.SYN | TCPFlags.ACK)) | (sctp & (chunk == SCTPChunk.INIT_ACK))
    return np.select([opens, answers], [forward, 1 - forward], _UNKNOWN).astype(np.int8)

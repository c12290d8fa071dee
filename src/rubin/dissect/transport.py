"""Layer 4: ports, flags, types."""

import numpy as np

from rubin.dissect.view import I64, Mask, View
from rubin.model.batch import Array
from rubin.model.enums import Protocol, SCTPChunk

_CHUNKS = np.zeros(256, np.uint8)
for _number, _chunk in (  # RFC 9260, 3.2
    (1, SCTPChunk.INIT),
    (2, SCTPChunk.INIT_ACK),
    (6, SCTPChunk.ABORT),
    (7, SCTPChunk.SHUTDOWN),
    (8, SCTPChunk.SHUTDOWN_ACK),
    (14, SCTPChunk.SHUTDOWN_COMPLETE),
):
    _CHUNKS[_number] = _chunk


def transport(view: View, at: I64, rows: I64, columns: dict[str, Array], broken: Mask) -> None:
    """Fill the columns of layer 4 in `rows`, whose headers begin at `at`; mark those that are cut."""
    protocol = columns["protocol"][rows]
    left = view.end - at
    ported = np.isin(protocol, (Protocol.TCP, Protocol.UDP, Protocol.SCTP))
    has = ported & (left >= 4)
    columns["source_port"][rows[has]] = view.u2(at)[has]
    columns["destination_port"][rows[has]] = view.u2(at + 2)[has]
    tcp, sctp = protocol == Protocol.TCP, protocol == Protocol.SCTP
    if tcp.any():
        has = tcp & (left >= 14)
        columns["tcp_flags"][rows[has]] = view.u2(at + 12)[has] & 0x1FF
    if sctp.any():
        has = sctp & (left >= 13)
        columns["sctp_chunk_type"][rows[has]] = _CHUNKS[view.u1(at + 12)[has]]
    icmp = np.isin(protocol, (Protocol.ICMPv4, Protocol.ICMPv6))
    if icmp.any():
        has = icmp & (left >= 2)
        columns["icmp_type"][rows[has]] = view.u1(at)[has]
        columns["icmp_code"][rows[has]] = view.u1(at + 1)[has]
    needed = np.select([tcp, sctp, ported, icmp], [14, 13, 4, 2], 0)
    broken[rows[left < needed]] = True

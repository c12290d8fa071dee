"""The one table of all columns of a flow. Everything that lists columns is made from it."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its dtype and unit, the value that means "not known", where Hubble has it.

    `hubble` is the path in `flow.Flow`, "" where Hubble has no word; several columns may share one.
    `table` names the table of `tables.Tables` that a code points into.
    """

    name: str
    dtype: str
    missing: int
    meaning: str
    hubble: str = ""
    table: str = ""


def _table(*rows: tuple[str, str, int, str, str, str]) -> dict[str, Column]:
    return {row[0]: Column(*row) for row in rows}


# fmt: off
COLUMNS: dict[str, Column] = _table(
    # name, dtype, missing, meaning, Hubble's path, table
    ("time_ns", "i8", 0, "when the packet was seen, ns since the Unix epoch", "time", ""),
    ("uuid_high", "u8", 0, "first half of the flow's UUID", "uuid", ""),
    ("uuid_low", "u8", 0, "second half of the flow's UUID", "uuid", ""),
    ("verdict", "u1", 0, "enums.Verdict", "verdict", ""),
    ("flow_type", "u1", 0, "enums.FlowType", "Type", ""),
    ("event_type", "u1", 0, "enums.EventType", "event_type.type", ""),
    ("event_sub_type", "u1", 0, "drop reason, datapath's trace point or translation point", "event_type.sub_type", ""),
    ("trace_point", "u1", 0, "enums.TracePoint", "trace_observation_point", ""),
    ("trace_reason", "u1", 0, "enums.TraceReason", "trace_reason", ""),
    ("traffic_direction", "u1", 0, "enums.Direction", "traffic_direction", ""),
    ("is_reply", "i1", -1, "1 when it goes against the direction of the opener, 0 when with it", "is_reply", ""),
    ("ip_version", "u1", 0, "enums.IPVersion; 0 when the packet has no IP header", "IP.ipVersion", ""),
    ("source_high", "u8", 0, "first half of the source address, before translation", "IP.source", ""),
    ("source_low", "u8", 0, "second half of the source address", "IP.source", ""),
    ("destination_high", "u8", 0, "first half of the destination address", "IP.destination", ""),
    ("destination_low", "u8", 0, "second half of the destination address", "IP.destination", ""),
    ("source_xlated", "u4", 0, "source address after translation, as text", "IP.source_xlated", "strings"),
    ("encrypted", "u1", 0, "1 when it travels encrypted between nodes", "IP.encrypted", ""),
    ("protocol", "u1", 0, "IANA protocol number (enums.Protocol)", "l4", ""),
    ("source_port", "u2", 0, "TCP, UDP or SCTP port", "l4.TCP.source_port", ""),
    ("destination_port", "u2", 0, "TCP, UDP or SCTP port", "l4.TCP.destination_port", ""),
    ("tcp_flags", "u2", 0, "enums.TCPFlags, of all packets that the row counts", "l4.TCP.flags", ""),
    ("icmp_type", "u1", 0, "ICMP or ICMPv6 type", "l4.ICMPv4.type", ""),
    ("icmp_code", "u1", 0, "ICMP or ICMPv6 code", "l4.ICMPv4.code", ""),
    ("sctp_chunk_type", "u1", 0, "enums.SCTPChunk", "l4.SCTP.chunk_type", ""),
    ("drop_reason", "u2", 0, "enums.DropReason, the nearest that Hubble has", "drop_reason_desc", ""),
    ("kernel_drop_reason", "u4", 0, "the kernel's own name of the reason (enum skb_drop_reason)", "", "strings"),
    ("drop_location", "u4", 0, "the kernel function that dropped, with offset", "", "strings"),
    ("policy_match_type", "u1", 0, "which rule matched, policy verdicts only", "policy_match_type", ""),
    ("auth_type", "u1", 0, "enums.AuthType", "auth_type", ""),
    ("packets", "u4", 0, "packets since the last row of this direction, at layer 3", "", ""),
    ("bytes", "u8", 0, "bytes since the last row of this direction, at layer 3", "", ""),
    ("tcp_event", "u1", 0, "enums.TCPEvent", "", ""),
    ("connect_latency_us", "u4", 0, "SYN to established, in the row that says CONNECT", "", ""),
    ("srtt_us", "u4", 0, "the kernel's smoothed round trip time", "", ""),
    ("retransmits", "u4", 0, "segments sent again since the last row of the connection", "", ""),
    ("socket_cookie", "u8", 0, "the local socket", "socket_cookie", ""),
    ("process", "u4", 0, "who owns the local socket", "cgroup_id", "processes"),
    ("source_endpoint", "u4", 0, "who is behind the source", "source", "endpoints"),
    ("destination_endpoint", "u4", 0, "who is behind the destination", "destination", "endpoints"),
    ("link", "u4", 0, "interface and frame", "interface", "links"),
    ("node_name", "u4", 0, "the node that saw it", "node_name", "strings"),
    ("contents", "u4", 0, "what only some flows carry", "tunnel", "contents"),
    ("message", "u4", 0, "what was said above layer 4", "l7", "messages"),
)
# fmt: on

DTYPES = {name: np.dtype(column.dtype) for name, column in COLUMNS.items()}
ROW_BYTES = sum(dtype.itemsize for dtype in DTYPES.values())

"""The record of the kernel (bpf/record.h) as a numpy dtype; a test compares the two through BTF."""

from enum import IntEnum

import numpy as np


class Kind(IntEnum):
    """What a record tells (enum record_kind)."""

    TRACE = 1
    DROP = 2
    FLUSH = 3
    TCP = 4


REPLY_UNKNOWN = 255

RECORD = np.dtype(
    [
        ("time_ns", "<u8"),
        ("source", "u1", 16),
        ("destination", "u1", 16),
        ("socket_cookie", "<u8"),
        ("netns_cookie", "<u8"),
        ("cgroup_id", "<u8"),
        ("bytes", "<u8"),
        ("location", "<u8"),
        ("packets", "<u4"),
        ("pid", "<u4"),
        ("uid", "<u4"),
        ("ifindex", "<u4"),
        ("srtt_us", "<u4"),
        ("connect_latency_us", "<u4"),
        ("drop_reason", "<u4"),
        ("retransmits", "<u4"),
        ("vni", "<u4"),
        ("source_port", "<u2"),
        ("destination_port", "<u2"),
        ("tcp_flags", "<u2"),
        ("vlan", "<u2"),
        ("outer_source_port", "<u2"),
        ("outer_destination_port", "<u2"),
        ("outer_source", "u1", 16),
        ("outer_destination", "u1", 16),
        ("comm", "u1", 16),
        ("source_mac", "u1", 6),
        ("destination_mac", "u1", 6),
        ("protocol", "u1"),
        ("ip_version", "u1"),
        ("kind", "u1"),
        ("point", "u1"),
        ("direction", "u1"),
        ("reply", "u1"),
        ("trace_reason", "u1"),
        ("tcp_event", "u1"),
        ("icmp_type", "u1"),
        ("icmp_code", "u1"),
        ("sctp_chunk", "u1"),
        ("pad", "u1"),
    ]
)
assert RECORD.itemsize == 200, "bpf/record.h says so"

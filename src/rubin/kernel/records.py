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

_MEMBERS = (
    ("time_ns", "<u8", 0),
    ("source", "(16,)u1", 8),
    ("destination", "(16,)u1", 24),
    ("socket_cookie", "<u8", 40),
    ("netns_cookie", "<u8", 48),
    ("cgroup_id", "<u8", 56),
    ("bytes", "<u8", 64),
    ("packets", "<u4", 72),
    ("pid", "<u4", 76),
    ("uid", "<u4", 80),
    ("netns_inode", "<u4", 84),
    ("ifindex", "<u4", 88),
    ("srtt_us", "<u4", 92),
    ("connect_latency_us", "<u4", 96),
    ("retransmits", "<u4", 100),
    ("source_port", "<u2", 104),
    ("destination_port", "<u2", 106),
    ("tcp_flags", "<u2", 108),
    ("vlan", "<u2", 110),
    # of all but drops
    ("outer_source", "(16,)u1", 112),
    ("outer_destination", "(16,)u1", 128),
    ("outer_source_port", "<u2", 144),
    ("outer_destination_port", "<u2", 146),
    ("vni", "<u4", 148),
    # of drops
    ("location", "<u8", 112),
    ("drop_reason", "<u4", 120),
    # with a pid, and without
    ("comm", "(16,)u1", 152),
    ("source_mac", "(6,)u1", 152),
    ("destination_mac", "(6,)u1", 158),
    ("protocol", "u1", 168),
    ("ip_version", "u1", 169),
    ("kind", "u1", 170),
    ("point", "u1", 171),
    ("direction", "u1", 172),
    ("reply", "u1", 173),
    ("trace_reason", "u1", 174),
    ("tcp_event", "u1", 175),
    ("icmp_type", "u1", 176),
    ("icmp_code", "u1", 177),
    ("sctp_chunk", "u1", 178),
    ("pad", "(5,)u1", 179),
)
_NAMES, _FORMATS, _OFFSETS = zip(*_MEMBERS, strict=True)
RECORD = np.dtype({"names": list(_NAMES), "formats": list(_FORMATS), "offsets": list(_OFFSETS), "itemsize": 184})

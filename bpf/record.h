/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The one layout in which the kernel tells user space of a flow. kernel/records.py declares the
 * same layout as a numpy dtype; a test compares the two through BTF. */
#pragma once

enum record_kind {
	RECORD_TRACE = 1, /* a packet, and the ones counted since the last record of its direction */
	RECORD_DROP = 2,  /* the kernel freed a packet with a reason */
	RECORD_FLUSH = 3, /* counts that no packet carried out: swept, evicted, socket closed */
	RECORD_TCP = 4,   /* the end of a TCP connection; its other steps are in the RECORD_TRACE of their packet */
};

enum record_tcp_event { /* the numbers of model/enums.TCPEvent */
	TCP_EVENT_NONE = 0,
	TCP_EVENT_CONNECT = 1,
	TCP_EVENT_ACCEPT = 2,
	TCP_EVENT_CLOSE = 3,
	TCP_EVENT_RESET = 4,
	TCP_EVENT_RETRANSMIT = 5,
};

enum record_reply {
	REPLY_NO = 0,
	REPLY_YES = 1,
	REPLY_UNKNOWN = 255,
};

/* Three cache lines with the ring's own header: what a record costs is the lines that it touches.
 * What never stands in one record shares its place. */
struct flow_record {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u8 source[16]; /* network order, IPv4 mapped into IPv6 */
	__u8 destination[16];
	__u64 socket_cookie; /* 0: no socket known */
	__u64 netns_cookie;
	__u64 cgroup_id; /* with the highest bit: of the v1 hierarchy of pids */
	__u64 bytes; /* layer 3, this direction, since its last record */
	__u32 packets;
	__u32 pid; /* thread group of the socket's owner, 0: not known */
	__u32 uid; /* 0xffffffff: not known */
	__u32 netns_inode; /* 0: not known */
	__u32 ifindex;
	__u32 srtt_us;
	__u32 connect_latency_us;
	__u32 retransmits; /* since the connection's last record */
	__u16 source_port; /* host order, as are all numbers */
	__u16 destination_port;
	__u16 tcp_flags; /* model/enums.TCPFlags */
	__u16 vlan; /* identifier, 0: none */
	union {
		struct { /* at interfaces: the tunnel; at sockets, where NAT changed it, whom the socket asked
			  * for as destination, and what its own address became as source */
			__u8 outer_source[16]; /* all zero: not encapsulated */
			__u8 outer_destination[16];
			__u16 outer_source_port;
			__u16 outer_destination_port;
			__u32 vni; /* with an outer header: the tunnel's network */
		};
		struct { /* drops */
			__u64 location; /* the address that freed the packet */
			__u32 drop_reason; /* the kernel's enum skb_drop_reason */
		};
	};
	union {
		__u8 comm[16]; /* with a pid */
		struct { /* without, at interfaces */
			__u8 source_mac[6];
			__u8 destination_mac[6];
		};
	};
	__u8 protocol; /* IANA, after extension headers; 0: not known */
	__u8 ip_version; /* model/enums.IPVersion: 1 IPv4, 2 IPv6 */
	__u8 kind; /* enum record_kind */
	__u8 point; /* model/enums.TracePoint */
	__u8 direction; /* model/enums.Direction */
	__u8 reply; /* enum record_reply */
	__u8 trace_reason; /* model/enums.TraceReason */
	__u8 tcp_event; /* enum record_tcp_event */
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 sctp_chunk; /* model/enums.SCTPChunk */
	__u8 pad[5];
};

_Static_assert(sizeof(struct flow_record) == 184, "kernel/records.py has the same layout");
_Static_assert(sizeof(struct flow_record) % 8 == 0, "the ring keeps records 8-byte aligned");

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the programs share with each other and with user space: maps, settings, counters.
 *
 * Compiled by tools/build_bpf.py: clang -O2 -g -target bpf -mcpu=v3, then llvm-strip -g. Nothing here
 * asks for more than Linux 6.1; what newer kernels do better is found by CO-RE (bpf_cast_to_kern_ctx, 6.2).
 *
 * Objects, one capability each, so that a kernel's refusal costs one capability. Programs of one
 * object may be left out (autoload off) where "needs" says that a kernel may lack something.
 *
 *  object      program             section                attach                      needs
 *  owners      rubin_whoami        tc                     run by PROG_TEST_RUN: retval = the caller's
 *                                                         process id as the kernel counts (settings.own_pid)
 *              rubin_owners        iter/task_file         create an iterator link, read it once after
 *                                                         the other objects are loaded: fills `owners` and
 *                                                         `listeners` for sockets older than the agent
 *  sockets     rubin_socket_in     cgroup_skb/ingress     cgroup v2 root, BPF_F_ALLOW_MULTI
 *              rubin_socket_out    cgroup_skb/egress      the same
 *              rubin_bound4        cgroup/post_bind4      the same: owners of servers
 *              rubin_bound6        cgroup/post_bind6      the same
 *              rubin_released      cgroup/sock_release    the same: what a closing UDP socket still had
 *              sweep_sockets       tc                     run by PROG_TEST_RUN, see struct sweep
 *  interfaces  rubin_ingress       tc                     tcx ingress or clsact; returns TCX_NEXT (-1)
 *              rubin_egress        tc                     tcx egress or clsact; the same
 *              sweep_interfaces    tc                     run by PROG_TEST_RUN, see struct sweep
 *  tcp         rubin_tcp_closed    tp_btf/tcp_destroy_sock
 *              rubin_tcp_resent    tp_btf/tcp_retransmit_skb
 *  processes   rubin_exec             tp_btf/sched_process_exec
 *              rubin_fork             tp_btf/sched_process_fork
 *              rubin_cgroup           tp_btf/cgroup_mkdir
 *  clear       rubin_clear_call       uprobe               functions of TLS libraries, see bpf/clear.bpf.c
 *              rubin_clear_return     uretprobe            the same (all four as uprobe_multi links: 6.6)
 *              rubin_clear_begin      uprobe
 *              rubin_clear_handshake  uprobe
 *              rubin_clear_sent       tp_btf/sock_send_length   6.3
 *              rubin_clear_received   tp_btf/sock_recv_length   6.3
 *  drops       rubin_drop          tp_btf/kfree_skb       BTF prototype with 4 arguments (rx_sk)
 *              rubin_drop_no_rx    tp_btf/kfree_skb       the same with 3: load exactly one of the two
 *
 *  map                 type                 in                          what
 *  flows               ringbuf, 16 MiB      all but owners              struct flow_record, nothing else
 *  payloads            array, 16 MiB        sockets, clear              struct payload_slot
 *  lanes               array                sockets, clear              how far parts of these are written and read
 *  payloads_signal     ringbuf              sockets, clear              nothing: wakes who reads them
 *  talks               array                sockets, clear              struct talk, same index as socket_entries; behind
 *                                                                       these, as many for what is said in clear
 *  mute                array                sockets                     servers that say nothing that is read
 *  admitted            array                sockets, clear              which connections are listened to
 *  losses              per-CPU array        all but owners              [enum loss_place] struct loss
 *  tallies             per-CPU array        all but owners              [enum tally] u64, nothing is lost here
 *  owners              sk_storage           all but interfaces          struct owner of sockets that bound a port
 *  listeners           LRU hash             owners, sockets             struct listener -> u8
 *  socket_entries      array                sockets, tcp, drops         struct entry, one cache line a connection
 *  socket_details      array                sockets, tcp, drops         struct details, same index
 *  closed              array                sockets, tcp, drops         u64: who opened connections that have closed
 *  executables         array                processes                   by process: the path of what it executes
 *  cgroup_paths        array                processes                   by cgroup: its path
 *  interface_entries   array                interfaces                  the same for the interface vantage
 *  interface_details   array                interfaces
 *  interfaces          hash                 interfaces                  ifindex -> enum interface_kind; absent: NETWORK
 *  fragments           LRU hash             interfaces                  ports of first fragments
 *
 * A map that stands in several objects is the same map: load the first object, then give its
 * descriptor to the others (bpf_map__reuse_fd). User space sets max_entries of the four tables
 * (the same power of two for entries and details of a vantage) and writes settings.*_mask to match.
 *
 * Settings are `const volatile struct settings settings` in .rodata of every object but owners.
 *
 * What a record means beyond record.h:
 *  - RECORD_TRACE counts the packets of its direction since that direction's last record, itself
 *    included; its headers are those of the last packet. tcp_flags are those of all these packets.
 *  - RECORD_FLUSH counts packets that no RECORD_TRACE carried; addresses are the connection's, the
 *    ICMP type that of the direction's last RECORD_TRACE, the time that of the connection's last packet.
 *  - RECORD_TCP comes at a connection's end with what it had not told, one for each direction that has
 *    something; the first has tcp_event CLOSE, and comes with 0 packets where there is nothing to tell.
 *  - tcp_event CONNECT (with connect_latency_us, SYN to SYN-ACK), ACCEPT and RESET come in the
 *    RECORD_TRACE of the packet that tells: a SYN-ACK in, the handshake's ACK in, a RST.
 *  - retransmits are in the next record of the sending side, of whatever kind.
 *  - a socket vantage's TCP packets of a handshake are the listener's: its cookie, its owner, until
 *    the accepting process first sends.
 *  - bytes and packets are those on the wire: segmentation still to come is counted, each segment
 *    with its headers. At sockets a datagram is whole: fragments are counted at interfaces only.
 *  - direction is the packet's: EGRESS leaves the endpoint. Hubble's traffic_direction is the
 *    connection's: turned round where reply is REPLY_YES.
 *  - source and destination are always the packet's.
 */
#pragma once

#include "record.h"

#define FLOWS_RING_BYTES (16 * 1024 * 1024) /* default; user space sets it before loading */
#define TABLE_ENTRIES 65536 /* default of each vantage; a power of two */

enum level { /* Hubble's monitor aggregation */
	LEVEL_NONE = 0,
	LEVEL_LOWEST = 1, /* no receive points */
	LEVEL_LOW = 2,    /* as lowest */
	LEVEL_MEDIUM = 3, /* something new, or the interval passed */
	LEVEL_MAX = 4,    /* as medium */
};

#define QUIET_FUNCTIONS 16

struct range { /* of the kernel's code */
	__u64 start;
	__u64 end; /* not in it */
};

struct settings {
	__u32 seed[20]; /* random each start: nobody can make two connections look like one */
	__u32 socket_mask; /* max_entries of socket_entries - 1 */
	__u32 interface_mask; /* max_entries of interface_entries - 1 */
	__u32 interval_ticks; /* report interval in jiffies; HZ is 1e9 / clock_getres(CLOCK_MONOTONIC_COARSE) */
	__u32 forget_ticks; /* jiffies after which an unused entry goes, if it is not an open TCP connection (60 s) */
	__u32 forget_tcp_ticks; /* the same for open TCP connections (6 h) */
	__u32 own_pid; /* from rubin_whoami; its sockets are left out; 0: nobody */
	__u16 report_flags; /* TCP flags that are news, model/enums.TCPFlags; 0x1ff: all */
	__u16 vxlan_port; /* 4789; 0: do not look into VXLAN */
	__u8 level; /* enum level */
	__u8 receive_points; /* 1: from-* points are reported like the others instead of by level */
	__u8 listens; /* 1: what is said at sockets is taken */
	__u8 pad;
	__u64 tick_ns; /* of a jiffy; 0: flushed records have the time of the flush */
	__u64 wake_bytes; /* so full, the ring wakes its reader: half of it */
	__u32 lane_mask; /* lanes of what is said - 1, a processor's is by its number */
	__u32 lane_slots; /* of each; a power of two */
	__u32 second_ticks; /* jiffies of a second */
	__u32 most_payloads; /* packets of a connection of which something is taken in a second */
	struct range quiet[QUIET_FUNCTIONS]; /* where a free without a reason loses nothing; {0, 0}: nowhere */
};
_Static_assert(sizeof(struct settings) == 144 + QUIET_FUNCTIONS * 16, "user space writes the same layout, by BTF");

enum loss_place { /* places where counts are lost; each with what was lost there */
	LOSS_SOCKETS = 0, /* no room in the ring for a record of the socket vantage (TCP's included) */
	LOSS_INTERFACES = 1, /* the same of the interface vantage */
	LOSS_DROPS = 2, /* the same of kernel drops */
	LOSS_MALFORMED_SOCKETS = 3, /* IP headers that could not be read; no record */
	LOSS_MALFORMED_INTERFACES = 4,
	LOSS_MALFORMED_DROPS = 5,
	LOSS_PAYLOADS = 6, /* no room in a lane for what is said; no flow is lost by it, perhaps an exchange */
	LOSS_PAYLOAD_LIMIT = 7, /* more packets a second than are taken of one connection */
	LOSS_PAYLOAD_SHARE = 8, /* the agent is held to its share of the machine */
	LOSS_CLEAR = 9, /* said over TLS, and not known on which connection */
	LOSSES
};

struct loss {
	__u64 records;
	__u64 packets;
	__u64 bytes;
};

enum tally { /* what happened, for `rubin status` and the tests; nothing was lost */
	TALLY_RECORDS = 0, /* put into the ring */
	TALLY_EVICTED_SOCKETS = 1, /* connections pushed out of the table by newer ones; their counts were flushed */
	TALLY_EVICTED_INTERFACES = 2,
	TALLY_DROPS_IGNORED = 3, /* frees that are no drops, and those of the agent's sockets */
	TALLY_PAYLOADS = 4, /* slots of what is said */
	TALLY_MUTE = 5, /* connections not listened to, because nothing was read of others with the same server */
	TALLIES
};

enum interface_kind { /* Hubble's points:         ingress        egress       */
	INTERFACE_NETWORK = 0,  /*               from-network   to-network  */
	INTERFACE_ENDPOINT = 1, /* host veth:    from-endpoint  to-endpoint */
	INTERFACE_HOST = 2,     /*               from-host      to-host     */
	INTERFACE_OVERLAY = 3,  /*               from-overlay   to-overlay  */
};

/* PROG_TEST_RUN of a sweep takes at least 64 bytes of data that begin with this. It flushes what
 * idle entries still hold, entry by entry, [first, first + count) of the table. all != 0: without
 * waiting for the interval (at the agent's end, in tests). Returns the records made. */
struct sweep {
	__u32 first;
	__u32 count;
	__u32 all;
};

struct listener {
	__u64 netns_cookie;
	__u32 port; /* host order */
	__u32 pad;
};

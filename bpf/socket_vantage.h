/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The socket vantage's table, and what its records say beside addresses and counts. */
#pragma once

#include "owner.h"

TABLE(socket_entries, socket_details);

#define ENTRIES (&socket_entries)
#define DETAILS (&socket_details)
#define MASK (settings.socket_mask)
#define PLACE LOSS_SOCKETS
#define MALFORMED_PLACE LOSS_MALFORMED_SOCKETS
#define EVICTED TALLY_EVICTED_SOCKETS
#define TELLS_TCP_LIFE 1
#define LISTENS settings.listens

/* Who opened connections that have closed: the kernel may still answer for one of them, with a last
 * ACK out of TIME_WAIT (before 6.13), when its entry has gone. A later one takes the place. */
#define CLOSED 4096

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CLOSED);
	__type(key, __u32);
	__type(value, __u64); /* the tag; its lowest bit says: opened locally */
} closed SEC(".maps");

static __always_inline void note_closed(__u64 tag, __u32 state)
{
	__u32 place = tag >> 1 & (CLOSED - 1);
	__u64 *slot = bpf_map_lookup_elem(&closed, &place);

	if (slot && state & OPENED)
		*slot = (tag & ~1ULL) | !!(state & OPENED_LOCALLY);
}

static __always_inline __u32 opener_of_closed(__u64 tag)
{
	__u32 place = tag >> 1 & (CLOSED - 1);
	__u64 *slot = bpf_map_lookup_elem(&closed, &place);

	if (!slot || (*slot ^ tag) >> 1)
		return 0;
	return *slot & 1 ? OPENED_LOCALLY : OPENED_REMOTELY;
}

/* The receive side of this vantage is a send point in Hubble's sense: nothing is suppressed. */
static __always_inline bool is_suppressed(const int direction)
{
	return false;
}

static __always_inline void describe_point(struct flow_record *record, int direction)
{
	record->point = direction == OUT ? 3 : 101; /* to-stack, to-endpoint */
	record->direction = direction == OUT ? 2 : 1; /* egress, ingress */
}

static __always_inline void describe_owner(struct flow_record *record, const struct owner *owner)
{
	record->pid = owner->pid;
	record->cgroup_id = owner->cgroup_id;
	if (!owner->pid)
		return;
	record->uid = owner->uid;
	__builtin_memcpy(record->comm, owner->comm, sizeof(record->comm));
}

/* Where NAT had somebody else answer than the socket asked for, a record tells of the two who talk, and whom
 * was asked: at egress packets have been translated already, at ingress they have been translated back. */
static __always_inline void describe_asked(struct flow_record *record, const struct details *details, int direction)
{
	if (!details->asked_port)
		return;
	__builtin_memcpy(record->outer_destination, details->asked, sizeof(record->outer_destination));
	record->outer_destination_port = details->asked_port;
	if (direction == OUT)
		return;
	__builtin_memcpy(record->source, details->remote, sizeof(record->source));
	record->source_port = details->remote_port;
}

static __always_inline void describe(struct flow_record *record, const struct details *details, int direction)
{
	describe_point(record, direction);
	describe_owner(record, &details->owner);
	describe_asked(record, details, direction);
}

/* The tag of a connected socket, from any program that has a pointer to one; 0: not connected. */
static __always_inline __u64 tag_of_socket(struct sock *sk)
{
	struct in6_words local = {}, remote = {};
	__u16 local_port = 0, remote_port = 0, family = 0, protocol = 0;
	struct net *net = NULL;
	__u32 ports;
	__u64 place;

	READ(remote_port, sk, __sk_common.skc_dport);
	if (!remote_port)
		return 0;
	READ(local_port, (struct inet_sock *)sk, inet_sport);
	READ(family, sk, __sk_common.skc_family);
	READ(protocol, sk, sk_protocol);
	READ(net, sk, __sk_common.skc_net.net);
	place = place_of_address(net);
	ports = pair_of(bpf_ntohs(local_port), bpf_ntohs(remote_port));
	if (family == AF_INET6)
		READ(remote, sk, __sk_common.skc_v6_daddr);
	/* An IPv6 socket that talks IPv4 has its addresses in both forms; its packets are IPv4. */
	if (family == AF_INET || (!remote.word[0] && !remote.word[1] && remote.word[2] == bpf_htonl(0xffff))) {
		READ(local.word[0], sk, __sk_common.skc_rcv_saddr);
		READ(remote.word[0], sk, __sk_common.skc_daddr);
		return tag_v4(local.word[0], remote.word[0], ports, protocol, place);
	}
	if (family != AF_INET6)
		return 0;
	READ(local, sk, __sk_common.skc_v6_rcv_saddr);
	return tag_v6(local.word, remote.word, ports, protocol, place);
}

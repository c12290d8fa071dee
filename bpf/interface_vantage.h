/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The interface vantage's table, and what its records say beside addresses and counts. */
#pragma once

#include "table.h"

TABLE(interface_entries, interface_details);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); /* interface's index */
	__type(value, __u32); /* enum interface_kind */
} interfaces SEC(".maps");

#define ENTRIES (&interface_entries)
#define DETAILS (&interface_details)
#define MASK (settings.interface_mask)
#define PLACE LOSS_INTERFACES
#define MALFORMED_PLACE LOSS_MALFORMED_INTERFACES
#define EVICTED TALLY_EVICTED_INTERFACES
#define TELLS_TCP_LIFE 0 /* sockets do; it should be told once */
#define LISTENS 0 /* the same */

/* What comes in at an interface is received here and sent on elsewhere: Hubble's levels tell it there. */
static __always_inline bool is_suppressed(const int direction)
{
	return direction == IN && settings.level >= LEVEL_LOWEST && !settings.receive_points;
}

static __always_inline __u8 kind_of(__u32 ifindex)
{
	__u32 *kind = bpf_map_lookup_elem(&interfaces, &ifindex);

	return kind ? *kind : INTERFACE_NETWORK;
}

/* Seen from a pod, what comes in at the host's side of its veth goes out of the pod. */
static __always_inline void describe_point(struct flow_record *record, __u8 kind, int direction)
{
	bool out = direction == OUT;

	record->direction = out ? 2 : 1;
	switch (kind) {
	case INTERFACE_ENDPOINT:
		record->direction = out ? 1 : 2;
		record->point = out ? 101 : 5;
		break;
	case INTERFACE_HOST:
		record->point = out ? 2 : 7;
		break;
	case INTERFACE_OVERLAY:
		record->point = out ? 4 : 9;
		break;
	default:
		record->point = out ? 11 : 10;
	}
}

static __always_inline void describe_tunnel(struct flow_record *record, const struct tunnel *tunnel)
{
	__builtin_memcpy(record->outer_source, tunnel->source, sizeof(record->outer_source));
	__builtin_memcpy(record->outer_destination, tunnel->destination, sizeof(record->outer_destination));
	record->outer_source_port = tunnel->source_port;
	record->outer_destination_port = tunnel->destination_port;
	record->vni = tunnel->vni;
}

/* The tunnel is kept as the direction that was seen first had it. */
static __always_inline void describe(struct flow_record *record, const struct details *details, int direction)
{
	describe_point(record, details->kind, direction);
	describe_tunnel(record, &details->tunnel);
}

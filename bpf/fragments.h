/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The ports of fragmented packets: only the first fragment has them, the later ones ask here.
 * A fragment that comes before its first, or after it was forgotten, is of a flow without ports. */
#pragma once

#include "packet.h"

struct fragmented {
	address source;
	address destination;
	__u32 id;
	__u32 protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct fragmented);
	__type(value, __u32);
} fragments SEC(".maps");

static __always_inline void join_fragment(struct packet *packet)
{
	struct fragmented key = {};
	__u32 ports, *known;

	__builtin_memcpy(key.source, packet->source, sizeof(key.source));
	__builtin_memcpy(key.destination, packet->destination, sizeof(key.destination));
	key.id = packet->fragment_id;
	key.protocol = packet->protocol;
	if (!packet->later_fragment) {
		ports = (__u32)packet->source_port << 16 | packet->destination_port;
		bpf_map_update_elem(&fragments, &key, &ports, BPF_ANY);
		return;
	}
	known = bpf_map_lookup_elem(&fragments, &key);
	if (!known)
		return;
	packet->source_port = *known >> 16;
	packet->destination_port = *known;
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* TCP ports that are listened on: tells who opened a connection whose SYN nobody saw. */
#pragma once

#include "maps.h"
#include "types.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct listener);
	__type(value, __u8);
} listeners SEC(".maps");

static __always_inline bool is_listening(__u64 netns_cookie, __u16 port)
{
	struct listener listener = { .netns_cookie = netns_cookie, .port = port };

	return bpf_map_lookup_elem(&listeners, &listener);
}

static __always_inline void note_listening(__u64 netns_cookie, __u16 port)
{
	struct listener listener = { .netns_cookie = netns_cookie, .port = port };
	__u8 yes = 1;

	if (!bpf_map_lookup_elem(&listeners, &listener))
		bpf_map_update_elem(&listeners, &listener, &yes, BPF_ANY);
}

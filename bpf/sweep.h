/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Walking a vantage's table: idle entries tell what they still hold, old ones go. User space runs
 * it, a piece of the table at a time, as a packet program: those can be run in every kernel. */
#pragma once

#include "flush.h"

struct walk {
	struct sweep sweep;
	__u32 now;
	__u32 records;
};

/* Something untold, and no packet has come for an interval that would have told it. */
static __always_inline bool is_overdue(const struct entry *entry, const int direction, const struct walk *walk)
{
	if (!entry->counts[direction] && !(direction == OUT && entry->retransmits))
		return false;
	return walk->sweep.all || ticks_since(entry->used, walk->now) >= settings.interval_ticks ||
	       ticks_since(entry->reported[direction], walk->now) >= 2 * settings.interval_ticks;
}

static __always_inline void sweep_direction(struct entry *entry, const struct details *details, const int direction,
					    struct walk *walk)
{
	struct counts counts;

	entry->reported[direction] = walk->now;
	take(entry, direction, &counts);
	tell_rest(details, entry->state, entry->used, direction, &counts);
	walk->records++;
}

static long sweep_entry(__u32 step, struct walk *walk)
{
	__u32 index = walk->sweep.first + step, lifetime, idle;
	struct entry *entry = bpf_map_lookup_elem(ENTRIES, &index);
	struct details *details;
	struct details copy;
	bool in, out;
	__u64 tag;

	if (!entry)
		return 1;
	tag = entry->tag;
	if (!tag || tag == BUSY)
		return 0;
	idle = ticks_since(entry->used, walk->now);
	lifetime = entry->state & OPEN_TCP ? settings.forget_tcp_ticks : settings.forget_ticks;
	in = is_overdue(entry, IN, walk);
	out = is_overdue(entry, OUT, walk);
	if (!in && !out && idle < lifetime)
		return 0;
	details = bpf_map_lookup_elem(DETAILS, &index);
	if (!details)
		return 1;
	if (idle >= lifetime) {
		if (empty_entry(entry, details, tag))
			retag(ENTRIES, entry, index, MASK, tag, 0);
		return 0;
	}
	copy = *details;
	if (entry->tag != tag)
		return 0;
	if (out)
		sweep_direction(entry, &copy, OUT, walk);
	if (in)
		sweep_direction(entry, &copy, IN, walk);
	return 0;
}

static __always_inline int sweep(struct __sk_buff *skb)
{
	struct walk walk = { .now = now_ticks() };

	if (bpf_skb_load_bytes(skb, 0, &walk.sweep, sizeof(walk.sweep)))
		return -1;
	bpf_loop(walk.sweep.count, sweep_entry, &walk, 0);
	return walk.records;
}

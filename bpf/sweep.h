/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Walking a vantage's table: idle entries tell what they still hold, old ones go. Run by user
 * space as a packet program, since those may take the entries' locks in every kernel. */
#pragma once

#include "flush.h"

struct walk {
	struct sweep sweep;
	__u32 now;
	__u32 records;
};

/* One direction of an entry whose details are in `copy`; true when it made a record. */
static __always_inline bool sweep_direction(struct entry *entry, __u64 tag, const struct details *copy,
					    const int direction, const struct walk *walk)
{
	struct counts counts = {};
	bool ready = false;
	__u8 opener = 0;

	bpf_spin_lock(&entry->lock);
	if (entry->tag == tag && entry->state & READY) {
		ready = true;
		opener = entry->opener;
		take(entry, direction, &counts);
		entry->reported[direction] = walk->now;
	}
	bpf_spin_unlock(&entry->lock);
	if (ready)
		tell_rest(copy, opener, direction, &counts);
	return ready;
}

/* Something untold, and no packet has come for an interval that would have told it. */
static __always_inline bool is_overdue(const struct entry *entry, const int direction, const struct walk *walk)
{
	if (!entry->packets[direction] && !(direction == OUT && entry->retransmits))
		return false;
	return walk->sweep.all || walk->now - entry->used >= settings.interval_ticks ||
	       walk->now - entry->reported[direction] >= 2 * settings.interval_ticks;
}

static long sweep_entry(__u32 step, struct walk *walk)
{
	__u32 index = walk->sweep.first + step;
	struct entry *entry = bpf_map_lookup_elem(ENTRIES, &index);
	struct details *details = bpf_map_lookup_elem(DETAILS, &index);
	struct details copy;
	bool in, out;
	__u64 tag;

	if (!entry || !details)
		return 1;
	tag = entry->tag;
	if (!tag)
		return 0;
	if (walk->now - entry->used >= (entry->state & OPEN_TCP ? settings.forget_tcp_ticks : settings.forget_ticks)) {
		walk->records += free_entry(index);
		return 0;
	}
	in = is_overdue(entry, IN, walk);
	out = is_overdue(entry, OUT, walk);
	if (!in && !out)
		return 0;
	copy = *details;
	if (out)
		walk->records += sweep_direction(entry, tag, &copy, OUT, walk);
	if (in)
		walk->records += sweep_direction(entry, tag, &copy, IN, walk);
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

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Records made from the table alone, with no packet at hand. Needs a vantage. */
#pragma once

#include "table.h"

static __always_inline __u8 is_reply(__u32 state, int direction)
{
	return !(state & OPENED) ? REPLY_UNKNOWN : state & OPENED_BY(direction) ? REPLY_NO : REPLY_YES;
}

static __always_inline __u8 trace_reason(__u8 reply, bool is_new)
{
	return reply == REPLY_YES ? 3 : reply != REPLY_NO ? 0 : is_new ? 1 : 2; /* model/enums.TraceReason */
}

static __always_inline void copy_addresses(struct flow_record *record, const __u64 *source, const __u64 *destination)
{
	__builtin_memcpy(record->source, source, sizeof(record->source));
	__builtin_memcpy(record->destination, destination, sizeof(record->destination));
}

/* A record of one direction of a connection. */
static __always_inline struct flow_record *tell(__u8 kind, const struct details *details, __u32 state, const int direction,
						const struct counts *counts)
{
	struct flow_record *r = record(kind, PLACE, counts);

	if (!r)
		return NULL;
	copy_addresses(r, direction == OUT ? details->local : details->remote,
		       direction == OUT ? details->remote : details->local);
	r->source_port = direction == OUT ? details->local_port : details->remote_port;
	r->destination_port = direction == OUT ? details->remote_port : details->local_port;
	if (details->protocol == IPPROTO_ICMP || details->protocol == IPPROTO_ICMPV6) {
		r->source_port = r->destination_port = 0; /* there they stand for the echo's identifier */
		r->icmp_type = details->icmp[direction].type;
		r->icmp_code = details->icmp[direction].code;
	}
	r->protocol = details->protocol;
	r->ip_version = details->version;
	r->ifindex = details->ifindex;
	r->vlan = details->vlan;
	r->netns_cookie = details->netns_cookie;
	r->netns_inode = details->netns_inode;
	r->socket_cookie = details->socket_cookie;
	r->reply = is_reply(state, direction);
	r->trace_reason = trace_reason(r->reply, false);
	describe(r, details, direction);
	return r;
}

/* Dated when the entry's last packet came (`used`), to a tick. */
static __always_inline void tell_rest(const struct details *details, __u32 state, __u32 used, const int direction,
				      const struct counts *counts)
{
	struct flow_record *r;

	if (!counts->packets && !counts->retransmits)
		return;
	r = tell(RECORD_FLUSH, details, state, direction, counts);
	if (!r)
		return;
	r->time_ns -= ticks_since(used, now_ticks()) * settings.tick_ns;
	submit(r);
}

/* Makes the entry BUSY and tells what it still holds; false when somebody else was quicker. */
static __always_inline bool empty_entry(struct entry *entry, const struct details *details, __u64 tag)
{
	struct counts counts;
	__u32 state, used;

	if (__sync_val_compare_and_swap(&entry->tag, tag, BUSY) != tag)
		return false;
	state = entry->state;
	used = entry->used;
	take(entry, OUT, &counts);
	tell_rest(details, state, used, OUT, &counts);
	take(entry, IN, &counts);
	tell_rest(details, state, used, IN, &counts);
	return true;
}

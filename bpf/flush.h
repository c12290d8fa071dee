/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Records made from the table alone, with no packet at hand. Needs a vantage. */
#pragma once

#include "table.h"

static __always_inline __u8 is_reply(__u8 opener, int direction)
{
	return opener == OPENER_UNKNOWN ? REPLY_UNKNOWN : opener == direction + 1 ? REPLY_NO : REPLY_YES;
}

static __always_inline __u8 trace_reason(__u8 reply, bool is_new)
{
	return reply == REPLY_YES ? 3 : is_new ? 1 : reply == REPLY_NO ? 2 : 0; /* model/enums.TraceReason */
}

static __always_inline void copy_addresses(struct flow_record *record, const __u64 *source, const __u64 *destination)
{
	__builtin_memcpy(record->source, source, sizeof(record->source));
	__builtin_memcpy(record->destination, destination, sizeof(record->destination));
}

/* A record of one direction of a connection. */
static __always_inline struct flow_record *tell(__u8 kind, const struct details *details, __u8 opener, const int direction,
						const struct counts *counts)
{
	struct flow_record *r = record(kind, PLACE, counts);

	if (!r)
		return NULL;
	copy_addresses(r, direction == OUT ? details->local : details->remote,
		       direction == OUT ? details->remote : details->local);
	r->source_port = direction == OUT ? details->local_port : details->remote_port;
	r->destination_port = direction == OUT ? details->remote_port : details->local_port;
	if (details->protocol == IPPROTO_ICMP || details->protocol == IPPROTO_ICMPV6)
		r->source_port = r->destination_port = 0; /* there they stand for the echo's identifier */
	r->protocol = details->protocol;
	r->ip_version = details->version;
	r->ifindex = details->ifindex;
	r->vlan = details->vlan;
	r->netns_cookie = details->netns_cookie;
	r->socket_cookie = details->socket_cookie;
	r->reply = is_reply(opener, direction);
	r->trace_reason = trace_reason(r->reply, false);
	describe(r, details, direction);
	return r;
}

static __always_inline void tell_rest(const struct details *details, __u8 opener, const int direction,
				      const struct counts *counts)
{
	struct flow_record *r;

	if (!counts->packets && !counts->retransmits)
		return;
	r = tell(RECORD_FLUSH, details, opener, direction, counts);
	if (r)
		submit(r);
}

/* Everything that a connection has not told, in records; the entry is free afterwards.
 * False when somebody else was quicker. */
static __noinline bool free_entry(__u32 index)
{
	struct entry *entry = bpf_map_lookup_elem(ENTRIES, &index);
	struct details *details = bpf_map_lookup_elem(DETAILS, &index);
	struct counts in, out;
	struct details copy;
	__u8 opener, state;
	__u64 tag;

	if (!entry || !details)
		return false;
	tag = entry->tag;
	barrier();
	copy = *details; /* right if the tag is the same under the lock: details change only after it has gone */
	bpf_spin_lock(&entry->lock);
	state = entry->state;
	if (entry->tag != tag || !(state & READY)) {
		bpf_spin_unlock(&entry->lock);
		return false;
	}
	take(entry, IN, &in);
	take(entry, OUT, &out);
	opener = entry->opener;
	entry->tag = 0;
	bpf_spin_unlock(&entry->lock);
	tell_rest(&copy, opener, OUT, &out);
	tell_rest(&copy, opener, IN, &in);
	return true;
}

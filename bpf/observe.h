/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What happens with a packet at a vantage point. Needs a vantage, which gives
 *	ENTRIES, DETAILS, MASK, PLACE, EVICTED, TELLS_TCP_LIFE, is_suppressed, describe
 *	begin	what is known of a new connection: its details, opener and state
 *	dress	what a packet's record says beside its headers and counts */
#pragma once

#include "flush.h"

struct observation {
	struct packet packet;
	__u64 tag;
	__u64 netns_cookie;
	struct counts counts;
	__u32 index;
	__u8 opener;
	__u8 state;
	__u8 is_new;
	__u8 event; /* enum record_tcp_event */
};

static __always_inline void begin(struct __sk_buff *skb, struct observation *o, int direction, struct details *details,
				  __u8 *state);
static __always_inline void dress(struct __sk_buff *skb, struct observation *o, int direction,
				  struct flow_record *record, struct details *details);
static __always_inline bool is_listened(const struct observation *o, int direction);

/* Who opens a connection whose first packet this is. */
static __always_inline __u8 opener_of(const struct observation *o, int direction)
{
	const struct packet *packet = &o->packet;
	__u8 sender = direction + 1, receiver = 2 - direction;

	switch (packet->protocol) {
	case IPPROTO_TCP:
		if (packet->flags & SYN)
			return packet->flags & ACK ? receiver : sender;
		return is_listened(o, direction) ? OPENED_REMOTELY : OPENER_UNKNOWN;
	case IPPROTO_SCTP:
		return packet->sctp_chunk == 1 ? sender : packet->sctp_chunk == 2 ? receiver : OPENER_UNKNOWN;
	case IPPROTO_ICMP:
		return packet->icmp_type == 0 ? receiver : sender;
	case IPPROTO_ICMPV6:
		return packet->icmp_type == 129 ? receiver : sender;
	default:
		return sender;
	}
}

/* A slot of the tag's set: a free one, or the least recently used, which tells what it holds. */
static __noinline __u32 make_room(__u64 tag)
{
	__u32 set = set_of(tag, MASK), now = now_ticks(), oldest = 0, index = set;

	for (__u32 way = 0; way < WAYS; way++) {
		__u32 slot = set + way;
		struct entry *entry = bpf_map_lookup_elem(ENTRIES, &slot);

		if (!entry || !entry->tag)
			return slot;
		if (now - entry->used >= oldest) {
			oldest = now - entry->used;
			index = slot;
		}
	}
	if (free_entry(index))
		tally(EVICTED);
	return index;
}

/* The entry at o->index for a connection not yet in the table; false when another packet got it. */
static __noinline bool create(struct __sk_buff *skb, struct observation *o, int direction)
{
	struct details *details = bpf_map_lookup_elem(DETAILS, &o->index);
	struct entry *entry = bpf_map_lookup_elem(ENTRIES, &o->index);
	__u32 now = now_ticks();
	__u8 state = 0, opener;
	bool claimed;

	if (!entry || !details)
		return false;
	opener = opener_of(o, direction);
	bpf_spin_lock(&entry->lock);
	claimed = !entry->tag;
	if (claimed) {
		entry->tag = o->tag;
		entry->used = now;
		entry->reported[IN] = entry->reported[OUT] = 0;
		entry->seen[IN] = entry->seen[OUT] = 0;
		entry->opener = opener;
		entry->state = 0;
	}
	bpf_spin_unlock(&entry->lock);
	if (!claimed)
		return false;

	details->local[0] = direction == OUT ? o->packet.source[0] : o->packet.destination[0];
	details->local[1] = direction == OUT ? o->packet.source[1] : o->packet.destination[1];
	details->remote[0] = direction == OUT ? o->packet.destination[0] : o->packet.source[0];
	details->remote[1] = direction == OUT ? o->packet.destination[1] : o->packet.source[1];
	details->local_port = direction == OUT ? o->packet.source_port : o->packet.destination_port;
	details->remote_port = direction == OUT ? o->packet.destination_port : o->packet.source_port;
	details->netns_cookie = o->netns_cookie;
	details->ifindex = skb->ifindex;
	details->protocol = o->packet.protocol;
	details->version = o->packet.version;
	details->vlan = o->packet.vlan;
	begin(skb, o, direction, details, &state);

	bpf_spin_lock(&entry->lock);
	if (entry->tag == o->tag)
		entry->state |= state | READY | (o->packet.protocol == IPPROTO_TCP ? OPEN_TCP : 0);
	bpf_spin_unlock(&entry->lock);
	return true;
}

/* The record of a packet that is news. */
static __noinline int report(struct __sk_buff *skb, struct observation *o, int direction)
{
	const struct packet *packet = &o->packet;
	struct flow_record *r = record(RECORD_TRACE, PLACE, &o->counts);
	struct details *details;

	if (!r)
		return 0;
	copy_addresses(r, packet->source, packet->destination);
	r->protocol = packet->protocol;
	r->ip_version = packet->version;
	if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6) {
		r->icmp_type = packet->icmp_type;
		r->icmp_code = packet->icmp_code;
	} else {
		r->source_port = packet->source_port;
		r->destination_port = packet->destination_port;
	}
	r->sctp_chunk = packet->sctp_chunk;
	r->vlan = packet->vlan;
	r->ifindex = skb->ifindex;
	r->netns_cookie = o->netns_cookie;
	r->reply = is_reply(o->opener, direction);
	r->trace_reason = trace_reason(r->reply, o->is_new);
	if (is_icmp_error(packet)) {
		r->reply = REPLY_NO; /* as Hubble: it is about a connection, not of it */
		r->trace_reason = 4; /* RELATED */
	}
	details = bpf_map_lookup_elem(DETAILS, &o->index);
	if (details) {
		if (packet->protocol == IPPROTO_TCP && (packet->flags & (SYN | ACK)) == SYN)
			details->opened_ns = r->time_ns;
		if (o->event == TCP_EVENT_CONNECT && details->opened_ns)
			r->connect_latency_us = (r->time_ns - details->opened_ns) / 1000;
		r->tcp_event = o->event;
		dress(skb, o, direction, r, details);
	}
	submit(r);
	return 0;
}

/* A packet that found no place in the table, since two processors wanted the same: told alone. */
static __noinline int report_alone(struct __sk_buff *skb, struct observation *o, int direction)
{
	o->counts.bytes = o->packet.bytes;
	o->counts.packets = o->packet.packets;
	o->counts.flags = o->packet.protocol == IPPROTO_TCP ? o->packet.flags : 0;
	o->counts.retransmits = 0;
	o->opener = opener_of(o, direction);
	o->index = 0xffffffff;
	return report(skb, o, direction);
}

/* Which step of its life the connection has just made; under the lock. */
static __always_inline __u8 tcp_step(struct entry *entry, const int direction, __u16 flags)
{
	if (flags & RST)
		return TCP_EVENT_RESET;
	if (direction == OUT || entry->state & ESTABLISHED)
		return TCP_EVENT_NONE;
	if (entry->opener == OPENED_LOCALLY && entry->seen[IN] & SYN) {
		entry->state |= ESTABLISHED;
		return TCP_EVENT_CONNECT;
	}
	if (entry->opener == OPENED_REMOTELY && entry->seen[OUT] & SYN && entry->seen[IN] & ACK) {
		entry->state |= ESTABLISHED;
		return TCP_EVENT_ACCEPT;
	}
	return TCP_EVENT_NONE;
}

/* One packet in its direction: counted, and reported if it is news. */
static __always_inline void observe(struct __sk_buff *skb, struct observation *o, const int direction)
{
	const bool tcp = o->packet.protocol == IPPROTO_TCP;
	const __u16 flags = o->packet.flags;
	__u32 now = now_ticks();
	struct entry *entry;
	bool due;
	__u16 news;

	entry = find(ENTRIES, o->tag, MASK, &o->index);
	if (!entry) {
		o->index = make_room(o->tag);
		if (create(skb, o, direction))
			entry = bpf_map_lookup_elem(ENTRIES, &o->index);
		o->is_new = 1;
	}
	if (!entry) {
		if (!is_suppressed(direction))
			report_alone(skb, o, direction);
		return;
	}
	if (entry->state & OURS || is_suppressed(direction)) {
		entry->used = now;
		return;
	}

	bpf_spin_lock(&entry->lock);
	if (entry->tag != o->tag) {
		bpf_spin_unlock(&entry->lock);
		report_alone(skb, o, direction);
		return;
	}
	if (tcp && (flags & (SYN | ACK)) == SYN && !(entry->state & OPEN_TCP)) {
		/* The same ports again: what the old connection had not told goes with the new one. */
		entry->seen[IN] = entry->seen[OUT] = 0;
		entry->reported[IN] = entry->reported[OUT] = 0;
		entry->opener = direction + 1;
		entry->state = READY | OPEN_TCP;
		o->is_new = 1;
	}
	news = flags & ~entry->seen[direction];
	if (tcp)
		news &= settings.report_flags;
	due = settings.level < LEVEL_MEDIUM || news || !entry->reported[direction] ||
	      now - entry->reported[direction] >= settings.interval_ticks;
	entry->used = now;
	entry->bytes[direction] += o->packet.bytes;
	entry->packets[direction] += o->packet.packets;
	if (flags) {
		entry->seen[direction] |= flags;
		if (tcp) {
			entry->flags[direction] |= flags;
			if (flags & RST || (entry->seen[IN] & entry->seen[OUT] & FIN))
				entry->state &= ~OPEN_TCP;
		}
	}
	if (due) {
		entry->reported[direction] = now;
		take(entry, direction, &o->counts);
		if (TELLS_TCP_LIFE && tcp)
			o->event = tcp_step(entry, direction, flags);
		o->opener = entry->opener;
		o->state = entry->state;
	}
	bpf_spin_unlock(&entry->lock);
	if (due)
		report(skb, o, direction);
}

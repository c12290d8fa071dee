/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What happens with a packet at a vantage point. Needs a vantage, which gives
 *	ENTRIES, DETAILS, MASK, PLACE, MALFORMED_PLACE, EVICTED, TELLS_TCP_LIFE, LISTENS, is_suppressed
 *	glance	the sight of an ordinary packet, quickly; false: look closer
 *	look	the sight of any packet, and what its headers say
 *	netns_of	the socket's, the device's
 *	begin	what is known of a new connection: details and state
 *	learn	what a packet out tells of the connection's owner, if it is no news
 *	dress	what a packet's record says beside its headers and counts
 *	listen	what is said in a packet, for user space to read
 *
 * The way of an ordinary packet of a known connection is short on purpose, in instructions as in
 * memory: under load neither is in the cache. Everything else is in functions of its own. */
#pragma once

#include "flush.h"
#include "sender.h"

/* What counting needs to know of a packet. */
struct sight {
	__u64 tag;
	__u64 count; /* COUNT of this packet */
	__u32 flags;
	__u32 protocol;
	__u32 transport; /* offset of TCP's header or UDP's */
	__u32 payload; /* offset of what is said; 0: nothing */
};

static __always_inline bool glance(struct __sk_buff *skb, const int direction, struct sight *sight);
static __always_inline enum parsed look(struct __sk_buff *skb, int direction, struct sight *sight, struct packet *packet);
static __always_inline struct net *netns_of(struct __sk_buff *skb);
static __always_inline __u32 begin(struct __sk_buff *skb, const struct sight *sight, const struct packet *packet,
				   int direction, struct details *details);
static __always_inline void learn(struct __sk_buff *skb, struct sight *sight, const struct entry *entry, __u32 index);
static __always_inline void dress(struct __sk_buff *skb, const struct sight *sight, const struct packet *packet,
				  __u32 index, __u32 state, int direction, struct flow_record *record);
int listen(struct __sk_buff *skb, struct sight *sight, __u32 index, int direction);

/* Which step of its life the connection has just made. */
static __always_inline __u8 tcp_step(struct entry *entry, int direction, __u32 flags)
{
	bool connected, accepted;

	if (flags & RST)
		return TCP_EVENT_RESET;
	if (direction == OUT || entry->state & ESTABLISHED)
		return TCP_EVENT_NONE;
	connected = entry->state & OPENED_LOCALLY && entry->seen[IN] & SYN;
	/* Not asked for: a SYN-ACK out. Over IPv6 older kernels (6.1) do not show theirs to cgroups. */
	accepted = entry->state & OPENED_REMOTELY && entry->seen[IN] & SYN && entry->seen[IN] & ACK;
	if (!connected && !accepted)
		return TCP_EVENT_NONE;
	if (__sync_fetch_and_or(&entry->state, ESTABLISHED) & ESTABLISHED)
		return TCP_EVENT_NONE;
	return connected ? TCP_EVENT_CONNECT : TCP_EVENT_ACCEPT;
}

/* The record of a packet that is news. */
__noinline int report(struct __sk_buff *skb, struct sight *sight, __u32 index, int direction, int is_new)
{
	struct entry *entry = bpf_map_lookup_elem(ENTRIES, &index);
	struct details *details = bpf_map_lookup_elem(DETAILS, &index);
	struct packet packet = {};
	struct flow_record *r;
	struct counts counts;
	bool is_icmp;
	__u32 state;

	if (!entry || !details || !sight)
		return 0;
	if (direction == OUT && is_sender_agent(skb, sight->protocol)) {
		__sync_fetch_and_or(&entry->state, OURS); /* accepted by a socket that was not known as ours */
		take(entry, OUT, &counts);
		take(entry, IN, &counts);
		return 0;
	}
	if (settings.level < LEVEL_MEDIUM) {
		counts.packets = COUNT_PACKETS(sight->count);
		counts.bytes = COUNT_BYTES(sight->count);
		counts.flags = sight->flags;
		counts.retransmits = 0;
		if (direction == OUT && entry->retransmits)
			counts.retransmits = __sync_lock_test_and_set(&entry->retransmits, 0);
	} else {
		if (direction == OUT)
			take(entry, OUT, &counts);
		else
			take(entry, IN, &counts);
		if (!counts.packets)
			return 0; /* another processor's record has just told it */
	}
	look(skb, direction, NULL, &packet);
	is_icmp = packet.protocol == IPPROTO_ICMP || packet.protocol == IPPROTO_ICMPV6;
	if (is_icmp) { /* also where this record is lost: what is swept later has its type */
		details->icmp[direction & 1].type = packet.icmp_type;
		details->icmp[direction & 1].code = packet.icmp_code;
	}
	r = record(RECORD_TRACE, PLACE, &counts);
	if (!r)
		return 0;
	state = entry->state;
	copy_addresses(r, packet.source, packet.destination);
	r->protocol = packet.protocol;
	r->ip_version = packet.version;
	if (is_icmp) {
		r->icmp_type = packet.icmp_type;
		r->icmp_code = packet.icmp_code;
	} else {
		r->source_port = packet.source_port;
		r->destination_port = packet.destination_port;
	}
	r->sctp_chunk = packet.sctp_chunk;
	r->ifindex = skb->ifindex;
	r->netns_cookie = details->netns_cookie;
	r->netns_inode = details->netns_inode;
	r->reply = is_reply(state, direction);
	r->trace_reason = trace_reason(r->reply, is_new);
	if (is_icmp_error(&packet)) {
		r->reply = REPLY_NO; /* as Hubble: it is about a connection, not of it */
		r->trace_reason = 4; /* RELATED */
	}
	if (packet.protocol == IPPROTO_TCP) {
		if ((sight->flags & (SYN | ACK)) == SYN)
			details->opened_ns = r->time_ns;
		if (TELLS_TCP_LIFE)
			r->tcp_event = tcp_step(entry, direction, sight->flags);
		if (r->tcp_event == TCP_EVENT_CONNECT && details->opened_ns)
			r->connect_latency_us = (r->time_ns - details->opened_ns) / 1000;
	} else {
		r->tcp_flags = 0;
	}
	dress(skb, sight, &packet, index, state, direction, r);
	submit(r);
	return 0;
}

/* Counts a packet in its entry; true when there is news. */
static __always_inline bool count(struct entry *entry, const struct sight *sight, const int direction, __u32 now)
{
	__u32 flags = sight->flags, news, last;
	__u64 held;

	if (entry->used != now)
		entry->used = now;
	news = flags & ~entry->seen[direction];
	if (news)
		news = flags & ~__sync_fetch_and_or(&entry->seen[direction], flags);
	/* A handshake's ACK tells CONNECT or ACCEPT, whether or not its flag is news by itself. */
	if (news && sight->protocol == IPPROTO_TCP)
		news &= settings.report_flags |
			(TELLS_TCP_LIFE && direction == IN && !(entry->state & ESTABLISHED) ? ACK : 0);
	if (settings.level < LEVEL_MEDIUM)
		return true;
	if (sight->protocol == IPPROTO_TCP && flags & ~entry->flags[direction])
		__sync_fetch_and_or(&entry->flags[direction], flags);
	held = __sync_fetch_and_add(&entry->counts[direction], sight->count);
	last = entry->reported[direction];
	if (news || held & COUNT_FULL) {
		entry->reported[direction] = now;
		return true;
	}
	if (last && ticks_since(last, now) < settings.interval_ticks)
		return false;
	return __sync_val_compare_and_swap(&entry->reported[direction], last, now) == last;
}

/* A packet that changes what is known of its connection: the last of it, or the first of the next. */
static __always_inline bool turn(struct entry *entry, __u32 flags, const int direction)
{
	if ((flags & (SYN | ACK)) == SYN && !(entry->state & OPEN_TCP)) {
		/* The same ports again. What the old connection had not told goes with the new one. */
		entry->seen[IN] = entry->seen[OUT] = 0;
		entry->reported[IN] = entry->reported[OUT] = 0;
		entry->state = OPEN_TCP | FROM_START | OPENED_BY(direction);
		return true;
	}
	if (entry->state & OPEN_TCP &&
	    (flags & RST || (flags & FIN && entry->seen[!direction] & FIN)))
		__sync_fetch_and_and(&entry->state, ~OPEN_TCP);
	return false;
}

/* Who opens a connection whose first packet this is; 0: not known. */
static __always_inline __u32 opener_of(const struct packet *packet, int direction)
{
	__u32 sender = OPENED_BY(direction), receiver = OPENED_BY(!direction);

	switch (packet->protocol) {
	case IPPROTO_TCP:
		return !(packet->flags & SYN) ? 0 : packet->flags & ACK ? receiver : sender;
	case IPPROTO_SCTP:
		return packet->sctp_chunk == 1 ? sender : packet->sctp_chunk == 2 ? receiver : 0;
	case IPPROTO_ICMP:
		return packet->icmp_type == 0 ? receiver : sender;
	case IPPROTO_ICMPV6:
		return packet->icmp_type == 129 ? receiver : sender;
	default:
		return sender;
	}
}

/* A place of the tag's set, BUSY in our name: its preferred one, another free one, or that of the
 * least recently used, which tells what it holds. False when other processors were quicker. */
__noinline int make_room(__u64 tag, __u32 *index)
{
	__u32 preferred = preferred_place(tag, MASK), now = now_ticks(), oldest = 0, slot = preferred, idle;
	struct details *details;
	struct entry *entry;
	__u64 old = 0;

	if (!index)
		return false;
	for (__u32 way = 0; way < WAYS; way++) {
		__u32 candidate = preferred ^ way;

		entry = bpf_map_lookup_elem(ENTRIES, &candidate);
		if (!entry)
			return false;
		if (!entry->tag) {
			slot = candidate;
			old = 0;
			break;
		}
		idle = ticks_since(entry->used, now);
		if (entry->tag != BUSY && idle >= oldest) {
			oldest = idle;
			slot = candidate;
			old = entry->tag;
		}
	}
	*index = slot;
	entry = bpf_map_lookup_elem(ENTRIES, &slot);
	details = bpf_map_lookup_elem(DETAILS, &slot);
	if (!entry || !details)
		return false;
	if (!old)
		return !__sync_val_compare_and_swap(&entry->tag, 0, BUSY);
	if (!empty_entry(entry, details, old))
		return false;
	displace(ENTRIES, old, MASK, slot, -1);
	tally(EVICTED);
	return true;
}

static __always_inline void fill(struct details *details, const struct packet *packet, int direction)
{
	const bool out = direction == OUT;

	details->local[0] = out ? packet->source[0] : packet->destination[0];
	details->local[1] = out ? packet->source[1] : packet->destination[1];
	details->remote[0] = out ? packet->destination[0] : packet->source[0];
	details->remote[1] = out ? packet->destination[1] : packet->source[1];
	details->local_port = out ? packet->source_port : packet->destination_port;
	details->remote_port = out ? packet->destination_port : packet->source_port;
	details->opened_ns = 0;
	details->asked_port = 0;
	details->protocol = packet->protocol;
	details->version = packet->version;
	details->vlan = packet->vlan;
}

/* A place in the table for a connection whose first packet this is: its index, or -1. */
__noinline int enlist(struct __sk_buff *skb, struct sight *sight, int direction)
{
	struct packet packet = {};
	struct details *details;
	struct entry *entry;
	__u32 index = 0;

	if (!sight || (!make_room(sight->tag, &index) && !make_room(sight->tag, &index)))
		return -1;
	entry = bpf_map_lookup_elem(ENTRIES, &index);
	details = bpf_map_lookup_elem(DETAILS, &index);
	if (!entry || !details)
		return -1;
	look(skb, direction, NULL, &packet);
	fill(details, &packet, direction);
	details->netns_cookie = cookie_of(netns_of(skb));
	details->netns_inode = inode_of(netns_of(skb));
	details->ifindex = skb->ifindex;
	entry->state = opener_of(&packet, direction) | (packet.protocol == IPPROTO_TCP ? OPEN_TCP : 0) |
		       (packet.protocol == IPPROTO_TCP && packet.flags & SYN ? FROM_START : 0) |
		       begin(skb, sight, &packet, direction, details);
	entry->reported[IN] = entry->reported[OUT] = 0;
	entry->seen[IN] = entry->seen[OUT] = 0;
	entry->flags[IN] = entry->flags[OUT] = 0;
	entry->used = now_ticks();
	retag(ENTRIES, entry, index, MASK, 0, sight->tag);
	return index;
}

/* A packet that takes a closer look: options, extension headers, fragments, other protocols.
 * False when there is nothing to count. */
__noinline int look_closely(struct __sk_buff *skb, struct sight *sight, int direction)
{
	struct packet packet = {};

	if (!sight)
		return false;
	switch (look(skb, direction, sight, &packet)) {
	case PARSED:
		return true;
	case MALFORMED:
		lose(MALFORMED_PLACE, 1, packet.bytes);
		return false;
	default:
		return false;
	}
}

/* One packet in its direction: counted, and told if it is news. */
static __always_inline void observe(struct __sk_buff *skb, const int direction)
{
	__u32 now = now_ticks(), index;
	struct sight sight = {};
	struct entry *entry;
	int is_new = false;

	if (!glance(skb, direction, &sight) && !look_closely(skb, &sight, direction))
		return;
	entry = find(ENTRIES, sight.tag, MASK, &index);
	if (!entry) {
		index = enlist(skb, &sight, direction);
		entry = bpf_map_lookup_elem(ENTRIES, &index);
		if (!entry) {
			lose(PLACE, COUNT_PACKETS(sight.count), COUNT_BYTES(sight.count));
			return;
		}
		is_new = sight.protocol != IPPROTO_TCP || entry->state & FROM_START; /* else it is older than we are */
	}
	if (entry->state & OURS || is_suppressed(direction)) {
		entry->used = now;
		return;
	}
	if (sight.flags & (SYN | FIN | RST) && sight.protocol == IPPROTO_TCP)
		is_new |= turn(entry, sight.flags, direction);
	if (count(entry, &sight, direction, now))
		report(skb, &sight, index, direction, is_new);
	else if (direction == OUT)
		learn(skb, &sight, entry, index);
	if (LISTENS && sight.payload && !(entry->state & (SILENT | OURS)))
		listen(skb, &sight, index, direction);
}

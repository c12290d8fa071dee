/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The first bytes of what is said at sockets, for user space to read. Of each packet up to some slots, in
 * lanes of their own; user space says with each connection how many, or that it reads nothing there. */
#pragma once

#include "slots.h"

/* A question or an answer of the DNS by its header (RFC 1035 4.1.1): one question, a usual operation, no
 * reserved bit; a question has no answers yet. Other UDP is nothing that we read. */
static __always_inline bool is_dns(struct __sk_buff *skb, __u32 offset)
{
	__u16 copy[6];
	const __u16 *header = bytes_at(skb, offset, sizeof(copy), copy);
	__u16 flags;

	if (!header || skb->len - offset < 17)
		return false;
	flags = bpf_ntohs(header[1]);
	if (flags & 0x7840 || header[2] != bpf_htons(1))
		return false;
	return flags & 0x8000 || (!header[3] && !header[4]);
}

static __always_inline void fall_silent(struct entry *entry)
{
	__sync_fetch_and_or(&entry->state, SILENT);
}

/* One slot with what lies from `offset` on. */
__noinline int take_slot(struct __sk_buff *skb, struct sight *sight, __u32 index, __u32 offset, int direction)
{
	struct details *details = bpf_map_lookup_elem(DETAILS, &index);
	struct entry *entry = bpf_map_lookup_elem(ENTRIES, &index);
	__u32 length, captured, last, copy[2];
	const __u32 *header = NULL;
	struct payload_slot *slot;
	struct payload_record *r;
	__u64 turn;

	if (!sight || !details || !entry || offset >= skb->len)
		return 0;
	length = skb->len - offset;
	slot = reserve_payload(&turn);
	if (!slot) {
		lose(LOSS_PAYLOADS, 1, length);
		return 0;
	}
	r = &slot->said;
	captured = length < PAYLOAD_BYTES ? length : PAYLOAD_BYTES;
	last = captured - 1;
	barrier_var(last); /* the verifier of 6.1 learns no lower bound from a comparison with 0 */
	if (last >= PAYLOAD_BYTES || bpf_skb_load_bytes(skb, offset, r->bytes, last + 1)) {
		discard_payload(slot, turn);
		return 0;
	}
	r->time_ns = bpf_ktime_get_ns();
	r->tag = sight->tag;
	fill_payload(r, details, entry->state, direction);
	r->index = index;
	r->length = length;
	r->captured = captured;
	if (sight->protocol == IPPROTO_TCP)
		header = bytes_at(skb, sight->transport + 4, sizeof(copy), copy);
	if (header) {
		r->sequence = bpf_ntohl(header[0]) + (offset - sight->payload);
		r->acknowledged = bpf_ntohl(header[1]);
	} else {
		r->sequence = r->acknowledged = 0;
	}
	if (offset != sight->payload)
		r->flags |= PAYLOAD_MORE;
	submit_payload(slot, turn);
	return 1;
}

/* What a packet with something in it says. */
__noinline int listen(struct __sk_buff *skb, struct sight *sight, __u32 index, int direction)
{
	struct entry *entry = bpf_map_lookup_elem(ENTRIES, &index);
	struct details *details = bpf_map_lookup_elem(DETAILS, &index);
	struct talk *talk = bpf_map_lookup_elem(&talks, &index);
	__u32 slots;

	if (!sight || !entry || !talk || !details)
		return 0;
	/* Within a machine both ends are here, and over loopback there is no more to tell than the server's. */
	if (skb->ifindex == LOOPBACK_INDEX && entry->state & OPENED_LOCALLY) {
		fall_silent(entry);
		return 0;
	}
	if (sight->protocol == IPPROTO_UDP && !is_dns(skb, sight->payload)) {
		fall_silent(entry);
		return 0;
	}
	if (is_left_out(sight->tag, skb->len - sight->payload)) /* before anything is touched that is not in the cache */
		return 0;
	/* Before what is wanted of the connection, which lies in a page of its own: that costs more than all else here. */
	if (sight->protocol == IPPROTO_TCP && !(entry->state & HEARD) && is_mute(details, entry->state)) {
		fall_silent(entry);
		tally(TALLY_MUTE);
		return 0;
	}
	slots = slots_for(talk, sight->tag, skb->len - sight->payload);
	if (slots == LISTENS_TO_NOTHING) {
		fall_silent(entry);
		return 0;
	}
	if (!(entry->state & HEARD) && !((talk->wanted ^ sight->tag) & ~0xffULL))
		__sync_fetch_and_or(&entry->state, HEARD);
	for (__u32 slot = 0; slot < MOST_SLOTS; slot++) {
		if (slot >= slots || !take_slot(skb, sight, index, sight->payload + slot * PAYLOAD_BYTES, direction))
			break;
	}
	return 0;
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The ring of records, and what is counted when it is full. */
#pragma once

#include "maps.h"
#include "types.h"

const volatile struct settings settings = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, FLOWS_RING_BYTES);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOSSES);
	__type(key, __u32);
	__type(value, struct loss);
} losses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TALLIES);
	__type(key, __u32);
	__type(value, __u64);
} tallies SEC(".maps");

/* What a packet program had not yet told of a direction. */
struct counts {
	__u64 bytes;
	__u32 packets;
	__u32 retransmits;
	__u16 flags;
};

static __always_inline __u64 tally(__u32 which)
{
	__u64 *number = bpf_map_lookup_elem(&tallies, &which);

	/* Atomic: a softirq may come between on the same CPU, and the sum must be exact. */
	return number ? __sync_fetch_and_add(number, 1) : 0;
}

static __always_inline void lose(__u32 place, __u64 packets, __u64 bytes)
{
	struct loss *loss = bpf_map_lookup_elem(&losses, &place);

	if (!loss)
		return;
	__sync_fetch_and_add(&loss->records, 1);
	__sync_fetch_and_add(&loss->packets, packets);
	__sync_fetch_and_add(&loss->bytes, bytes);
}

/* An empty record with its counts, or NULL, and then the counts are among the losses of `place`. */
static __always_inline struct flow_record *record(__u8 kind, __u32 place, const struct counts *counts)
{
	struct flow_record *record = bpf_ringbuf_reserve(&flows, sizeof(*record), 0);

	if (!record) {
		lose(place, counts->packets, counts->bytes);
		return NULL;
	}
	__builtin_memset(record, 0, sizeof(*record));
	record->time_ns = bpf_ktime_get_ns();
	record->kind = kind;
	record->bytes = counts->bytes;
	record->packets = counts->packets;
	record->retransmits = counts->retransmits;
	record->tcp_flags = counts->flags;
	record->uid = 0xffffffff;
	record->reply = REPLY_UNKNOWN;
	return record;
}

/* The reader comes by on a timer: a wake-up costs microseconds, so there is one only when the
 * ring is half full, and that is asked only now and then. */
static __always_inline void submit(struct flow_record *record)
{
	__u64 flags = BPF_RB_NO_WAKEUP;

	if (!(tally(TALLY_RECORDS) & 63) && bpf_ringbuf_query(&flows, BPF_RB_AVAIL_DATA) > settings.wake_bytes)
		flags = BPF_RB_FORCE_WAKEUP;
	bpf_ringbuf_submit(record, flags);
}

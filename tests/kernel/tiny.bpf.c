// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Test material: numbered records on a ring, a share of them given up, and a refused program. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "record.h"

struct settings {
	__u32 discard_every;
	__u16 spare;
	__u8 seed[2];
};
const volatile struct settings settings = {};

struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 16); } flows SEC(".maps");
struct loss { __u64 records; __u64 packets; __u64 bytes; };
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 4); __type(key, __u32); __type(value, struct loss); } losses SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } made SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 100000); __type(key, __u32); __type(value, __u64); } words SEC(".maps");

struct flow_record *unused; /* so that BTF tells its layout */

static int make(void)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&made, &zero);
	struct loss *lost = bpf_map_lookup_elem(&losses, &zero);
	if (!count || !lost)
		return 0;
	__u64 number = (*count)++;
	struct flow_record *record = bpf_ringbuf_reserve(&flows, sizeof(*record), 0);
	if (!record) {
		lost->records++;
		lost->packets++;
		lost->bytes += 100;
		return 0;
	}
	record->time_ns = number;
	record->packets = 1;
	if (settings.discard_every && number % settings.discard_every == 0)
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
	else
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 1;
}

SEC("cgroup_skb/egress")
int count_egress(struct __sk_buff *skb)
{
	make();
	return 1;
}

SEC("tc")
int count_tc(struct __sk_buff *skb)
{
	make();
	return -1;
}

SEC("cgroup_skb/ingress")
int refused(struct __sk_buff *skb)
{
	return *(int *)(long)skb->len; /* a read through a number, which no verifier lets pass */
}

SEC("tp_btf/no_such_tracepoint")
int absent(void *context)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

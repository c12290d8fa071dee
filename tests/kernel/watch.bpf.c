// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Test material: programs of the interface vantage that only count, by interface and direction. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1024); __type(key, __u32); __type(value, __u8); } interfaces SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1024); __type(key, __u32); __type(value, __u64); } seen SEC(".maps");

static int count(__u32 key)
{
	__u64 one = 1, *number = bpf_map_lookup_elem(&seen, &key);

	if (number)
		(*number)++;
	else
		bpf_map_update_elem(&seen, &key, &one, BPF_ANY);
	return -1;
}

SEC("tc")
int rubin_ingress(struct __sk_buff *skb)
{
	return count(skb->ifindex);
}

SEC("tc")
int rubin_egress(struct __sk_buff *skb)
{
	return count(skb->ifindex | 1u << 31);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

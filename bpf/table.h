/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The connection table of a vantage: sets of WAYS entries in two arrays.
 *
 * All that a packet of a known connection touches is one cache line, its entry; the details are
 * needed only where a record is made. From some hundred connections on, time is cache misses:
 * an LRU hash or a socket's storage touches three to five lines a packet. Nothing is allocated,
 * and a full set pushes out its least recently used entry here, in our hands, so that what it
 * had counted is told and not lost.
 *
 * A connection is known by its tag, 64 bits of a keyed hash of its addresses. Two connections
 * share a tag with a probability of 2^-64.
 *
 * Who changes an entry holds its lock, and looks at the tag again under it. Details are written
 * by whoever created the entry, before READY; readers copy them and test the tag afterwards. */
#pragma once

#include "packet.h"
#include "ring.h"

#define WAYS 4

enum direction { IN = 0, OUT = 1 }; /* from the table's view: into the local side, out of it */

enum opener { OPENER_UNKNOWN = 0, OPENED_REMOTELY = 1, OPENED_LOCALLY = 2 }; /* 1 + direction of the first packet */

enum entry_state {
	READY = 1,      /* the details are written */
	OURS = 2,       /* the agent's own socket: not observed */
	OWNED = 4,      /* the process that uses the socket is known */
	ESTABLISHED = 8, /* CONNECT or ACCEPT has been told */
	OPEN_TCP = 16,  /* neither reset nor finished on both sides */
	ANSWERED = 32,  /* the latency from SYN to SYN-ACK has been told */
};

struct entry {
	struct bpf_spin_lock lock;
	__u32 used; /* jiffies, as all times here */
	__u64 tag;  /* 0: free */
	__u64 bytes[2]; /* by direction, since its last record */
	__u32 packets[2];
	__u32 reported[2]; /* when; 0: never */
	__u16 seen[2];  /* flags already reported */
	__u16 flags[2]; /* of the packets since the last record */
	__u32 retransmits;
	__u8 state;
	__u8 opener;
	__u8 pad[2];
};
_Static_assert(sizeof(struct entry) == 64, "one cache line");

struct owner {
	__u64 cgroup_id;
	__u32 pid;
	__u32 uid;
	char comm[16];
};

struct details {
	address local;
	address remote;
	__u64 netns_cookie;
	__u64 socket_cookie;
	__u64 opened_ns; /* when the SYN was seen */
	__u32 ifindex;
	__u16 local_port;
	__u16 remote_port;
	__u16 vlan;
	__u8 protocol;
	__u8 version;
	__u32 pad;
	union {
		struct owner owner;   /* sockets */
		struct tunnel tunnel; /* interfaces */
	};
	__u64 reserved[2];
};
_Static_assert(sizeof(struct details) == 128, "two cache lines");

/* Page-aligned values (MMAPABLE), so that an entry is one cache line and not two halves. */
#define TABLE(entries, details_)                                \
	struct {                                                \
		__uint(type, BPF_MAP_TYPE_ARRAY);               \
		__uint(map_flags, BPF_F_MMAPABLE);              \
		__uint(max_entries, TABLE_ENTRIES);             \
		__type(key, __u32);                             \
		__type(value, struct entry);                    \
	} entries SEC(".maps");                                 \
	struct {                                                \
		__uint(type, BPF_MAP_TYPE_ARRAY);               \
		__uint(map_flags, BPF_F_MMAPABLE);              \
		__uint(max_entries, TABLE_ENTRIES);             \
		__type(key, __u32);                             \
		__type(value, struct details);                  \
	} details_ SEC(".maps")

static __always_inline __u32 now_ticks(void)
{
	__u32 ticks = bpf_jiffies64(); /* inlined by the verifier: one load, where a coarse clock costs 15 ns */

	return ticks ?: 1;
}

/* NH (UMAC, RFC 4418 5.2), twice with shifted keys: without the seed nobody can construct two
 * connections of one tag, which a plain multiply-and-shift hash would allow. */
static __always_inline __u64 nh(const __u32 *words, int count, int shift)
{
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < count; i += 2)
		sum += (__u64)(words[i] + settings.seed[i + shift]) * (__u32)(words[i + 1] + settings.seed[i + 1 + shift]);
	return sum;
}

static __always_inline __u64 spread(__u64 first, __u64 second)
{
	__u64 hash = first + (second ^ second >> 32) * 0x9e3779b97f4a7c15;

	hash ^= hash >> 32;
	return hash * 0xd6e8feb86659fd93 | 1;
}

static __always_inline __u64 tag_of(bool v4, const __u64 *local, const __u64 *remote, __u16 local_port,
				    __u16 remote_port, __u8 protocol, __u64 place)
{
	__u32 ports = (__u32)local_port << 16 | remote_port;

	if (v4) {
		__u32 words[] = { local[1] >> 32, remote[1] >> 32, ports, protocol, place, place >> 32 };

		return spread(nh(words, 6, 0), nh(words, 6, 4));
	} else {
		__u32 words[] = { local[0], local[0] >> 32, local[1], local[1] >> 32,
				  remote[0], remote[0] >> 32, remote[1], remote[1] >> 32,
				  ports, protocol | 0x600, place, place >> 32 };

		return spread(nh(words, 12, 0), nh(words, 12, 4));
	}
}

static __always_inline __u32 set_of(__u64 tag, __u32 mask)
{
	return (tag >> 33) & mask & ~(WAYS - 1);
}

/* Where a tag lives in the table, or -1. */
static __always_inline struct entry *find(void *entries, __u64 tag, __u32 mask, __u32 *index)
{
	__u32 set = set_of(tag, mask);

#pragma unroll
	for (int way = 0; way < WAYS; way++) {
		__u32 slot = set + way;
		struct entry *entry = bpf_map_lookup_elem(entries, &slot);

		if (entry && entry->tag == tag) {
			*index = slot;
			return entry;
		}
	}
	return NULL;
}

/* What a direction has not told yet; under the lock. The sender's retransmits go with OUT. */
static __always_inline void take(struct entry *entry, const int direction, struct counts *counts)
{
	counts->bytes = entry->bytes[direction];
	counts->packets = entry->packets[direction];
	counts->flags = entry->flags[direction];
	counts->retransmits = 0;
	entry->bytes[direction] = 0;
	entry->packets[direction] = 0;
	entry->flags[direction] = 0;
	if (direction == OUT) {
		counts->retransmits = entry->retransmits;
		entry->retransmits = 0;
	}
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The connection table of a vantage: sets of WAYS entries in two arrays.
 *
 * All that a packet of a known connection touches is one cache line, its entry; the details are
 * needed only where a record is made. From some hundred connections on, time is cache misses:
 * an LRU hash or a socket's storage touches three to five lines a packet. Nothing is allocated,
 * and a full set pushes out its least recently used entry here, in our hands, so that what it
 * had counted is told and not lost.
 *
 * A connection is known by its tag, 64 bits of a keyed hash of its addresses.
 *
 * No locks (a pair of calls costs 30 ns, and more where the code is cold). Packets and bytes are
 * one word that is added to and taken out whole, so each packet is told exactly once. Who wants
 * to fill or to free an entry puts BUSY into its tag by compare and exchange; details change only
 * then, so that a copy of them is right if the tag is the same afterwards. A packet that found its
 * entry in the very moment in which it was freed is counted with the entry's next connection. */
#pragma once

#include "packet.h"
#include "ring.h"

#define WAYS 8
#define BUSY 2 /* in place of a tag; tags are odd */

enum direction { IN = 0, OUT = 1 }; /* from the table's view: into the local side, out of it */

enum entry_state {
	OURS = 1,        /* the agent's own socket: not observed */
	OWNED = 2,       /* the process that uses the socket is known */
	ESTABLISHED = 4, /* CONNECT or ACCEPT has been told */
	OPEN_TCP = 8,    /* neither reset nor finished on both sides */
	OPENED_REMOTELY = 16, /* the first packet came in; neither of the two: not known */
	OPENED_LOCALLY = 32,
	SILENT = 64, /* nothing that is said here is read */
	FROM_START = 128, /* its SYN was seen */
	HEARD = 256, /* what is said here is read */
	OPENED = OPENED_REMOTELY | OPENED_LOCALLY,
};

#define OPENED_BY(direction) ((direction) == OUT ? OPENED_LOCALLY : OPENED_REMOTELY)

struct entry {
	__u64 tag;       /* 0: free */
	__u64 counts[2]; /* by direction, since its last record: packets and bytes, see COUNT */
	__u32 reported[2]; /* when, in jiffies, as all times here; 0: never */
	__u32 seen[2];   /* flags so far */
	__u32 flags[2];  /* of the packets since the last record */
	__u32 used;
	__u32 retransmits; /* since the last record of OUT */
	__u32 state;     /* enum entry_state */
	__u32 displaced; /* how many entries would like to be here and are elsewhere in the set */
};
_Static_assert(sizeof(struct entry) == 64, "one cache line");

/* 28 bits of packets above 36 bits of bytes. When the upper bit of either is set it is time for
 * a record, whatever the interval: neither ever overflows. */
#define COUNT(packets, bytes) ((__u64)(packets) << 36 | (bytes))
#define COUNT_PACKETS(count) ((count) >> 36)
#define COUNT_BYTES(count) ((count) & ((1ULL << 36) - 1))
#define COUNT_FULL (1ULL << 63 | 1ULL << 35)

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
	struct {
		__u8 type;
		__u8 code;
	} icmp[2]; /* by direction: of its last record's packet */
	union {
		struct { /* sockets */
			struct owner owner;
			address asked; /* for whom, where NAT has `remote` answer */
		};
		struct tunnel tunnel; /* interfaces */
	};
	__u32 netns_inode;
	__u16 asked_port; /* 0: nobody else */
	__u8 kind; /* of the interface: enum interface_kind */
	__u8 reserved;
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

/* Ticks since then. Another processor's clock may be a tick ahead of `now`: that is no time ago, not 49 days. */
static __always_inline __u32 ticks_since(__u32 then, __u32 now)
{
	__s32 ticks = now - then;

	return ticks > 0 ? ticks : 0;
}

/* NH (UMAC, RFC 4418 5.2): whoever does not know the seed finds two connections of one tag with
 * a probability of 2^-32 a pair, whatever he sends. A plain multiply-and-shift hash promises nothing. */
static __always_inline __u64 nh(__u32 first, __u32 second, int term)
{
	return (__u64)(first + settings.seed[2 * term]) * (__u32)(second + settings.seed[2 * term + 1]);
}

static __always_inline __u64 finish(__u64 hash)
{
	hash ^= hash >> 32;
	hash *= 0xd6e8feb86659fd93;
	return (hash ^ hash >> 32) | 1;
}

/* Keeps network namespaces apart in the tags of sockets, without the cache line of their cookies, which little else
 * touches: 15 ns. It is how far one's address is from that of a map, for the verifier lets pointers be subtracted and
 * nothing else; where FOLLOW copies, the address is a number already. Not in plain C, which the compiler moves ahead
 * of the questions. */
static __always_inline __u64 place_of(struct net *netns)
{
	__u64 place;

	if (!netns) {
		asm volatile("%0 = 0" : "=r"(place)); /* the pointer itself would still be one */
		return place;
	}
	place = (long)netns;
	if (&bpf_cast_to_kern_ctx)
		asm volatile("%0 -= %1" : "+r"(place) : "r"(&losses));
	return place;
}

/* The same of a namespace of which the address alone is known, by READ. */
static __always_inline __u64 place_of_address(struct net *netns)
{
	return place_of(&bpf_rdonly_cast ? bpf_rdonly_cast(netns, bpf_core_type_id_kernel(struct net)) : netns);
}

static __always_inline __u64 tag_v4(__u32 local, __u32 remote, __u32 ports, __u32 protocol, __u64 place)
{
	return finish(nh(local, remote, 0) + nh(ports, protocol, 1) + nh(place, place >> 32, 2));
}

static __always_inline __u64 tag_v6(const __u32 *local, const __u32 *remote, __u32 ports, __u32 protocol, __u64 place)
{
	return finish(nh(local[0], remote[0], 3) + nh(local[1], remote[1], 4) + nh(local[2], remote[2], 5) +
		      nh(local[3], remote[3], 6) + nh(ports, protocol, 1) + nh(place, place >> 32, 2));
}

/* Local port above, host order. */
static __always_inline __u32 pair_of(__u32 local_port, __u32 remote_port)
{
	return local_port << 16 | remote_port;
}

static __always_inline __u32 preferred_place(__u64 tag, __u32 mask)
{
	return (tag >> 32) & mask;
}

/* The entry of a tag; *index says where. Each tag has its preferred place in its set, where it
 * mostly is or, if nobody was displaced from there, is not at all: one cache line either way. */
static __always_inline struct entry *find(void *entries, __u64 tag, __u32 mask, __u32 *index)
{
	__u32 place = preferred_place(tag, mask);
	struct entry *entry = bpf_map_lookup_elem(entries, &place);

	*index = place;
	if (!entry || entry->tag == tag)
		return entry;
	if (!entry->displaced)
		return NULL;
	for (__u32 way = 1; way < WAYS; way++) {
		__u32 slot = place ^ way;

		entry = bpf_map_lookup_elem(entries, &slot);
		if (entry && entry->tag == tag) {
			*index = slot;
			return entry;
		}
	}
	return NULL;
}

static __always_inline void displace(void *entries, __u64 tag, __u32 mask, __u32 index, __s32 change)
{
	__u32 place = preferred_place(tag, mask);
	struct entry *entry = bpf_map_lookup_elem(entries, &place);

	if (entry && place != index)
		__sync_fetch_and_add(&entry->displaced, change);
}

/* Gives a BUSY entry, once of this tag, its next tag; 0: none. */
static __always_inline void retag(void *entries, struct entry *entry, __u32 index, __u32 mask, __u64 old, __u64 new)
{
	if (old)
		displace(entries, old, mask, index, -1);
	if (new)
		displace(entries, new, mask, index, 1);
	__sync_lock_test_and_set(&entry->tag, new);
}

/* What a direction has not told yet. Counts before flags: who has counted has set its flags. */
static __always_inline void take(struct entry *entry, const int direction, struct counts *counts)
{
	__u64 count = __sync_lock_test_and_set(&entry->counts[direction], 0);

	counts->packets = COUNT_PACKETS(count);
	counts->bytes = COUNT_BYTES(count);
	counts->flags = __sync_lock_test_and_set(&entry->flags[direction], 0);
	counts->retransmits = 0;
	if (direction == OUT && entry->retransmits)
		counts->retransmits = __sync_lock_test_and_set(&entry->retransmits, 0);
}

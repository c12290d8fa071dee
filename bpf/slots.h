/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What is said, in slots of lanes of their own, and how much of each connection is wanted. */
#pragma once

#include "socket_vantage.h"

#define PAYLOAD_SLOTS (16 * 1024) /* default; user space sets it before loading */
#define PAYLOAD_BYTES 864 /* so that a slot is 1024 */
#define MOST_SLOTS 4 /* a packet */
#define LISTENS_TO_NOTHING 255 /* in place of a number of slots */
#define UNDECIDED_BYTES (256 * 1024) /* of a connection's stream, in which user space should have made up its mind */
#define MOST_LOOKED_AT (UNDECIDED_BYTES / 2) /* by a single packet or call, which always is looked at once */
#define LOOPBACK_INDEX 1 /* in every network namespace */

enum payload_flag {
	PAYLOAD_OPENED_LOCALLY = 1, /* neither of the two: not known who opened the connection */
	PAYLOAD_OPENED_REMOTELY = 2,
	PAYLOAD_OUT = 4, /* the local side says it */
	PAYLOAD_MORE = 8, /* not the first slot of its packet */
	PAYLOAD_FROM_START = 16, /* the connection's SYN was seen; of what is said in clear, its first byte */
	PAYLOAD_CLEAR = 32, /* as it was handed to TLS or comes out of it: a conversation beside the connection's packets */
};

struct payload_record {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 tag; /* of the connection; the same ports again have the same */
	__u8 local[16]; /* network order, IPv4 mapped into IPv6, behind NAT the ones who talk, as in flow_record */
	__u8 remote[16];
	__u8 asked[16]; /* whom the socket asked for, with asked_port */
	__u64 socket_cookie;
	__u64 netns_cookie;
	__u64 cgroup_id; /* as in flow_record, like all of the owner */
	__u32 pid;
	__u32 uid;
	__u8 comm[16];
	__u32 netns_inode;
	__u32 ifindex;
	__u32 index; /* of the connection in the table, and in `talks` */
	__u32 sequence; /* TCP: of the first byte here */
	__u32 acknowledged; /* TCP: what the speaker has heard so far */
	__u32 length; /* bytes of the packet from the first byte here on */
	__u16 captured; /* how many of them are here */
	__u16 local_port; /* host order */
	__u16 remote_port;
	__u16 asked_port; /* 0: nobody else than the remote side */
	__u8 protocol; /* IANA */
	__u8 ip_version; /* as in flow_record */
	__u8 flags; /* enum payload_flag */
	__u8 pad[5];
	__u8 bytes[PAYLOAD_BYTES]; /* what is behind `captured` means nothing */
};
_Static_assert(sizeof(struct payload_record) == 1016, "kernel/payloads.py has the same layout");

struct payload_slot {
	__u64 turn; /* the number in its lane of what is here, from 1 on; another one: not written yet */
	struct payload_record said;
};
_Static_assert(sizeof(struct payload_slot) == 1024, "kernel/lanes.py has the same layout");

/* One lane after the other. No ring of the kernel's: where a request comes now and then its code is not in the
 * cache, which costs 300 ns for each slot, a fourth of all. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PAYLOAD_SLOTS);
	__type(key, __u32);
	__type(value, struct payload_slot);
} payloads SEC(".maps");

#define LANES 16
#define LANE_SPARE 64 /* slots: those who find room at once, on processors that share a lane, all get it */

/* A processor's lane, or that of some: nobody else writes there. Each of the two has a line of its own. */
struct lane {
	__u64 given; /* slots so far */
	__u64 pad[7];
	__u64 taken; /* by user space, which writes it */
	__u64 more_pad[7];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LANES);
	__type(key, __u32);
	__type(value, struct lane);
} lanes SEC(".maps");

/* Wakes the reader; nothing is in it. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} payloads_signal SEC(".maps");

/* How a connection is listened to, beside its entry. User space writes `wanted` and nothing else. Behind those
 * of the packets stand as many of what is said in clear. */
struct talk {
	__u64 wanted; /* the tag without its lowest byte, and there the slots a packet; another tag: not decided */
	__u64 tag; /* whose `undecided` and `taken` are */
	__u32 undecided; /* bytes of the stream so far without a decision */
	__u32 second; /* in which `taken` packets were taken, in jiffies */
	__u32 taken;
	__u32 pad;
};
_Static_assert(sizeof(struct talk) == 32, "kernel/payloads.py has the same layout");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TABLE_ENTRIES);
	__type(key, __u32);
	__type(value, struct talk);
} talks SEC(".maps");

/* Written by user space: which connections are listened to at all, when it is held to a share of the machine. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64); /* those whose tag, turned round, is not above it */
} admitted SEC(".maps");

#define MUTE_PLACES 65536

/* Written by user space: servers with whom nothing was said that it reads, by a hash of address and port. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MUTE_PLACES);
	__type(key, __u32);
	__type(value, __u64); /* 1: such a one */
} mute SEC(".maps");

static __always_inline __u32 mute_place(const __u64 *server, __u16 port)
{
	__u64 folded = server[0] ^ server[1];

	return ((__u32)(folded ^ folded >> 32) * 0x9e3779b1u + port * 0x85ebca6bu) >> 16;
}

/* Whether a connection is with such a server; who that is says who opened it. */
static __always_inline bool is_mute(const struct details *details, __u32 state)
{
	__u32 place;
	__u64 *is;

	if (!(state & OPENED))
		return false;
	place = state & OPENED_LOCALLY ? mute_place(details->remote, details->remote_port) :
					 mute_place(details->local, details->local_port);
	is = bpf_map_lookup_elem(&mute, &place);
	return is && *is;
}

/* Whether the agent's share of the machine leaves this connection out. */
static __always_inline bool is_left_out(__u64 tag, __u32 length)
{
	__u32 lowest = 0;
	__u64 *admit = bpf_map_lookup_elem(&admitted, &lowest);

	if (!admit || __builtin_bswap64(tag) <= *admit)
		return false;
	lose(LOSS_PAYLOAD_SHARE, 1, length);
	return true;
}

/* How many slots a packet of so many bytes may fill; 0: none; LISTENS_TO_NOTHING: nor will a later one. */
static __always_inline __u32 slots_for(struct talk *talk, __u64 tag, __u32 length)
{
	__u32 now = now_ticks(), slots = talk->wanted & 0xff;

	if (talk->tag != tag) {
		talk->tag = tag;
		talk->undecided = talk->taken = 0;
	}
	if ((talk->wanted ^ tag) & ~0xffULL) {
		slots = 1;
		talk->undecided += length < MOST_LOOKED_AT ? length : MOST_LOOKED_AT;
		if (talk->undecided > UNDECIDED_BYTES)
			return LISTENS_TO_NOTHING;
	} else if (slots == LISTENS_TO_NOTHING) {
		return slots;
	}
	if (now - talk->second > settings.second_ticks) {
		talk->second = now;
		talk->taken = 0;
	}
	if (talk->taken++ >= settings.most_payloads) {
		lose(LOSS_PAYLOAD_LIMIT, 1, length);
		return 0;
	}
	return slots;
}

static __always_inline void fill_payload(struct payload_record *r, const struct details *details, __u32 state, int direction)
{
	__builtin_memcpy(r->local, details->local, sizeof(r->local));
	__builtin_memcpy(r->remote, details->remote, sizeof(r->remote));
	__builtin_memcpy(r->asked, details->asked, sizeof(r->asked));
	r->socket_cookie = details->socket_cookie;
	r->netns_cookie = details->netns_cookie;
	r->cgroup_id = details->owner.cgroup_id;
	r->pid = details->owner.pid;
	r->uid = details->owner.uid;
	__builtin_memcpy(r->comm, details->owner.comm, sizeof(r->comm));
	r->netns_inode = details->netns_inode;
	r->ifindex = details->ifindex;
	r->local_port = details->local_port;
	r->remote_port = details->remote_port;
	r->asked_port = details->asked_port;
	r->protocol = details->protocol;
	r->ip_version = details->version;
	r->flags = (direction == OUT ? PAYLOAD_OUT : 0) |
		   (state & OPENED_LOCALLY ? PAYLOAD_OPENED_LOCALLY : 0) |
		   (state & OPENED_REMOTELY ? PAYLOAD_OPENED_REMOTELY : 0) |
		   (state & FROM_START ? PAYLOAD_FROM_START : 0);
}

/* A slot, to be given with its turn to `submit_payload`; NULL: there is no room. */
static __always_inline struct payload_slot *reserve_payload(__u64 *turn)
{
	__u32 number = bpf_get_smp_processor_id() & settings.lane_mask, place;
	struct lane *lane = bpf_map_lookup_elem(&lanes, &number);
	__u64 before;

	if (!lane || lane->given - lane->taken + LANE_SPARE > settings.lane_slots)
		return NULL;
	before = __sync_fetch_and_add(&lane->given, 1); /* a softirq may come between on the same processor */
	place = number * settings.lane_slots + (before & (settings.lane_slots - 1));
	*turn = before + 1;
	return bpf_map_lookup_elem(&payloads, &place);
}

/* The reader comes by on a timer, and is woken when a lane is half full, as of flows. */
static __always_inline void wake_for_payloads(__u64 turn)
{
	__u32 number = bpf_get_smp_processor_id() & settings.lane_mask;
	struct lane *lane = bpf_map_lookup_elem(&lanes, &number);
	void *signal;

	if (!lane || turn - lane->taken < settings.lane_slots / 2)
		return;
	signal = bpf_ringbuf_reserve(&payloads_signal, sizeof(__u64), 0);
	if (signal)
		bpf_ringbuf_discard(signal, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void submit_payload(struct payload_slot *slot, __u64 turn)
{
	tally(TALLY_PAYLOADS);
	__sync_lock_test_and_set(&slot->turn, turn); /* behind all else that was written */
	if (!(turn & 63))
		wake_for_payloads(turn);
}

/* A slot in which nothing is. */
static __always_inline void discard_payload(struct payload_slot *slot, __u64 turn)
{
	slot->said.tag = 0;
	__sync_lock_test_and_set(&slot->turn, turn);
}

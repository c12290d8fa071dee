/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The socket vantage: every packet of every socket below the root of cgroup v2, whatever its
 * network namespace. Egress is seen before fragmentation, ingress after reassembly. */
#include "types.h"

#include "socket_vantage.h"

#include "listeners.h"
#include "observe.h"
#include "payload.h"
#include "sweep.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const struct flow_record *const layout = NULL; /* so that this object's BTF tells them */
const struct payload_record *const payload_layout = NULL;

static __always_inline struct net *netns_of(struct __sk_buff *skb)
{
	struct sock *sk = FOLLOW(packet_of(skb), sk);

	return sk ? FOLLOW(sk, __sk_common.skc_net.net) : NULL;
}

#define MOMENT_NS 100000000 /* in which whoever accepts hands a connection over to whoever serves it */

/* Whether a process has something to say, and does not just acknowledge while it happens to hold the socket's
 * lock: who accepts does so for the blink of an eye, and may be another than who serves. */
static __always_inline bool is_word(struct __sk_buff *skb, const struct sight *sight)
{
	return sight->protocol != IPPROTO_TCP || sight->flags & (SYN | FIN | RST | PSH) || skb->len > 120;
}

/* Learns the owner: for good if it is the one who says something, until then who acknowledges or bound the port. */
static __always_inline __u8 adopt(struct __sk_buff *skb, const struct sight *sight, int direction,
				  struct details *details, __u64 now_ns)
{
	const __u8 protocol = sight->protocol;
	struct owner *owner = &details->owner;
	struct bpf_sock *sk;
	struct owner *bound;

	if (direction == OUT && is_sender_current(skb, protocol)) {
		if (is_word(skb, sight)) {
			current_owner(owner);
			return OWNED;
		}
		if (!owner->pid && now_ns - details->opened_ns > MOMENT_NS)
			current_owner(owner);
	}
	if (owner->pid)
		return 0;
	barrier_var(skb); /* the verifier lets no pointer into the context be kept */
	sk = skb->sk;
	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 0;
	bound = bpf_sk_storage_get(&owners, sk, NULL, 0);
	if (bound && !is_shared(FOLLOW(packet_of(skb), sk)))
		*owner = *bound;
	else if (!bound)
		owner->cgroup_id = bpf_skb_cgroup_id(skb);
	return 0;
}

/* Read here and nowhere else: the verifier lets no pointer into a socket be computed. */
#define ONCE(field) (*(volatile typeof(field) *)&(field))

/* A connected socket is known by its own addresses: behind NAT those of its packets differ in the
 * two directions. For others (listeners, servers of UDP, the kernel's own) the packet tells. */
static __always_inline bool is_connected(struct bpf_sock *sk)
{
	return sk && sk->dst_port;
}

static __always_inline __u32 ports_of_socket(struct bpf_sock *sk)
{
	return pair_of(ONCE(sk->src_port), bpf_ntohs(ONCE(sk->dst_port)));
}

static __always_inline __u32 begin(struct __sk_buff *skb, const struct sight *sight, const struct packet *packet,
				   int direction, struct details *details)
{
	__u16 local_port = direction == OUT ? packet->source_port : packet->destination_port;
	struct owner nobody = {};
	__u32 state;

	details->owner = nobody;
	details->socket_cookie = bpf_get_socket_cookie(skb);
	state = adopt(skb, sight, direction, details, 0);
	if (settings.own_pid && details->owner.pid == settings.own_pid)
		state |= OURS;
	if (packet->protocol != IPPROTO_TCP)
		return state;
	if (direction == OUT && (packet->flags & (RST | ACK)) == (RST | ACK) && !is_connected(skb->sk))
		return state | OPENED_REMOTELY; /* the kernel refuses a SYN that came for nobody */
	if (direction == IN && (packet->flags & (SYN | ACK)) == SYN)
		note_listening(details->netns_cookie, local_port);
	else if (!(packet->flags & SYN) && is_listening(details->netns_cookie, local_port))
		state |= OPENED_REMOTELY;
	else if (!(packet->flags & SYN))
		state |= opener_of_closed(sight->tag);
	return state;
}

/* Who says the first word may not be who says the last: it counts whether or not it is news. */
__noinline int learn_owner(struct __sk_buff *skb, struct sight *sight, __u32 index)
{
	struct details *details = bpf_map_lookup_elem(DETAILS, &index);
	struct entry *entry = bpf_map_lookup_elem(ENTRIES, &index);

	if (sight && details && entry && is_word(skb, sight) && adopt(skb, sight, OUT, details, 0))
		__sync_fetch_and_or(&entry->state, OWNED);
	return 0;
}

static __always_inline void learn(struct __sk_buff *skb, struct sight *sight, const struct entry *entry, __u32 index)
{
	if (!(entry->state & OWNED))
		learn_owner(skb, sight, index);
}

static __always_inline void copy_address(__u64 *to, const __u64 *from)
{
	to[0] = from[0];
	to[1] = from[1];
}

static __always_inline bool is_same(const __u64 *one, const __u64 *other)
{
	return one[0] == other[0] && one[1] == other[1];
}

static __always_inline void note_asked(struct details *details, const struct packet *packet, const __u64 *asked,
				       __u16 port)
{
	if (is_same(packet->destination, asked) && packet->destination_port == port)
		return;
	copy_address(details->asked, asked);
	details->asked_port = port;
	copy_address(details->remote, packet->destination);
	details->remote_port = packet->destination_port;
}

/* A source that NAT has changed: the record tells of the socket's own, and what became of it. */
static __always_inline void keep_own_source(struct flow_record *record, struct details *details, const struct packet *packet,
					    const __u64 *own, __u16 port)
{
	if (is_same(packet->source, own) && packet->source_port == port)
		return;
	__builtin_memcpy(record->outer_source, packet->source, sizeof(record->outer_source));
	record->outer_source_port = packet->source_port;
	copy_address(details->local, own);
	details->local_port = port;
	__builtin_memcpy(record->source, details->local, sizeof(record->source));
	record->source_port = port;
}

/* At egress a packet may have been translated, the socket has not. */
static __always_inline void compare(struct flow_record *record, struct details *details, const struct packet *packet,
				    struct bpf_sock *sk)
{
	address own = {}, peer = {};

	if (packet->version == 1) {
		own[1] = mapped(ONCE(sk->src_ip4));
		peer[1] = mapped(ONCE(sk->dst_ip4));
	} else {
		own[0] = two(ONCE(sk->src_ip6[0]), ONCE(sk->src_ip6[1]));
		own[1] = two(ONCE(sk->src_ip6[2]), ONCE(sk->src_ip6[3]));
		peer[0] = two(ONCE(sk->dst_ip6[0]), ONCE(sk->dst_ip6[1]));
		peer[1] = two(ONCE(sk->dst_ip6[2]), ONCE(sk->dst_ip6[3]));
	}
	note_asked(details, packet, peer, bpf_ntohs(ONCE(sk->dst_port)));
	keep_own_source(record, details, packet, own, ONCE(sk->src_port));
}

static __always_inline void dress(struct __sk_buff *skb, const struct sight *sight, const struct packet *packet,
				  __u32 index, __u32 state, int direction, struct flow_record *record)
{
	struct details *details = bpf_map_lookup_elem(DETAILS, &index);
	struct entry *entry = bpf_map_lookup_elem(ENTRIES, &index);
	struct bpf_sock *sk = skb->sk;
	struct tcp_sock *tcp = NULL;

	if (!details || !entry)
		return;
	if (direction == OUT && is_connected(sk) && (sight->protocol == IPPROTO_TCP || sight->protocol == IPPROTO_UDP))
		compare(record, details, packet, sk);
	if (sight->protocol == IPPROTO_TCP && sk && sk->state != SOCKET_LISTENS)
		tcp = bpf_skc_to_tcp_sock(sk);
	if (tcp) {
		record->srtt_us = tcp->srtt_us >> 3;
		record->socket_cookie = tcp->inet_conn.icsk_inet.sk.__sk_common.skc_cookie.counter;
	}
	if (!record->socket_cookie) /* nobody has asked for it yet */
		record->socket_cookie = bpf_get_socket_cookie(skb);
	if (tcp)
		details->socket_cookie = record->socket_cookie; /* the handshake had the listener's */
	if (!(state & OWNED) && adopt(skb, sight, direction, details, record->time_ns))
		__sync_fetch_and_or(&entry->state, OWNED);
	describe(record, details, direction);
}

static __always_inline enum parsed look(struct __sk_buff *skb, int direction, struct sight *sight, struct packet *packet)
{
	enum parsed parsed = !sight && parse_plain(skb, 0, packet) ? PARSED :
								  parse(skb, 0, bpf_ntohs(skb->protocol), packet);
	const __u64 *local = direction == OUT ? packet->source : packet->destination;
	const __u64 *remote = direction == OUT ? packet->destination : packet->source;
	struct bpf_sock *sk = skb->sk;
	__u64 netns;
	__u32 ports;

	if (!sight || parsed != PARSED)
		return parsed;
	ports = direction == OUT ? pair_of(packet->source_port, packet->destination_port) :
				   pair_of(packet->destination_port, packet->source_port);
	netns = place_of(netns_of(skb));
	sight->count = COUNT(packet->packets, packet->bytes);
	sight->flags = packet->flags;
	sight->protocol = packet->protocol;
	sight->transport = packet->offset;
	sight->payload = packet->payload;
	if (ports && is_connected(sk) && packet->version == 1)
		sight->tag = tag_v4(ONCE(sk->src_ip4), ONCE(sk->dst_ip4), ports_of_socket(sk), packet->protocol, netns);
	else if (ports && is_connected(sk)) {
		__u32 own[] = { ONCE(sk->src_ip6[0]), ONCE(sk->src_ip6[1]), ONCE(sk->src_ip6[2]), ONCE(sk->src_ip6[3]) };
		__u32 peer[] = { ONCE(sk->dst_ip6[0]), ONCE(sk->dst_ip6[1]), ONCE(sk->dst_ip6[2]), ONCE(sk->dst_ip6[3]) };

		sight->tag = tag_v6(own, peer, ports_of_socket(sk), packet->protocol, netns);
	} else if (packet->version == 1)
		sight->tag = tag_v4(local[1] >> 32, remote[1] >> 32, ports, packet->protocol, netns);
	else {
		__u32 own[] = { local[0], local[0] >> 32, local[1], local[1] >> 32 };
		__u32 peer[] = { remote[0], remote[0] >> 32, remote[1], remote[1] >> 32 };

		sight->tag = tag_v6(own, peer, ports, packet->protocol, netns);
	}
	return PARSED;
}

/* IPv4 without options and fragments, TCP or UDP, headers where they can be read directly. */
static __always_inline bool glance(struct __sk_buff *skb, const int direction, struct sight *sight)
{
	struct {
		struct ipv4_header ip;
		struct tcp_header tcp;
	} *packet = (void *)(long)skb->data;
	struct bpf_sock *sk = skb->sk;
	__u32 headers, local, remote, ports, segments = skb->gso_segs;

	if ((void *)(packet + 1) > (void *)(long)skb->data_end || !sk)
		return false;
	if (packet->ip.version_length != 0x45 || packet->ip.fragment & bpf_htons(MORE_FRAGMENTS | FRAGMENT_OFFSET))
		return false;
	sight->protocol = packet->ip.protocol;
	sight->flags = 0;
	if (sight->protocol == IPPROTO_TCP) {
		sight->flags = bpf_ntohs(packet->tcp.flags) & TCP_FLAGS;
		headers = sizeof(struct ipv4_header) + (bpf_ntohs(packet->tcp.flags) >> 12) * 4;
	} else if (sight->protocol == IPPROTO_UDP) {
		headers = sizeof(struct ipv4_header) + 8;
	} else {
		return false;
	}
	sight->transport = sizeof(struct ipv4_header);
	sight->payload = skb->len > headers ? headers : 0;
	sight->count = COUNT(1, skb->len);
	if (segments > 1)
		sight->count += COUNT(segments - 1, (segments - 1) * headers);
	if (is_connected(sk)) {
		local = ONCE(sk->src_ip4);
		remote = ONCE(sk->dst_ip4);
		ports = ports_of_socket(sk);
	} else if (direction == OUT) {
		local = packet->ip.source;
		remote = packet->ip.destination;
		ports = pair_of(bpf_ntohs(packet->tcp.source), bpf_ntohs(packet->tcp.destination));
	} else {
		local = packet->ip.destination;
		remote = packet->ip.source;
		ports = pair_of(bpf_ntohs(packet->tcp.destination), bpf_ntohs(packet->tcp.source));
	}
	sight->tag = tag_v4(local, remote, ports, sight->protocol, place_of(netns_of(skb)));
	return true;
}

SEC("cgroup_skb/ingress")
int rubin_socket_in(struct __sk_buff *skb)
{
	observe(skb, IN);
	return 1; /* go on */
}

SEC("cgroup_skb/egress")
int rubin_socket_out(struct __sk_buff *skb)
{
	observe(skb, OUT);
	return 1;
}

static __always_inline int bound(struct bpf_sock *sk)
{
	struct owner *owner = bpf_sk_storage_get(&owners, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);

	if (owner)
		current_owner(owner);
	return 1;
}

SEC("cgroup/post_bind4")
int rubin_bound4(struct bpf_sock *sk)
{
	return bound(sk);
}

SEC("cgroup/post_bind6")
int rubin_bound6(struct bpf_sock *sk)
{
	return bound(sk);
}

/* A connected UDP socket goes; others' entries are left to the sweep, TCP's to its own end. */
SEC("cgroup/sock_release")
int rubin_released(struct bpf_sock *sk)
{
	struct details *details;
	struct entry *entry;
	__u32 index;
	__u64 tag;

	if (sk->protocol != IPPROTO_UDP)
		return 1;
	tag = tag_of_socket((void *)sk);
	if (!tag)
		return 1;
	entry = find(ENTRIES, tag, MASK, &index);
	details = bpf_map_lookup_elem(DETAILS, &index);
	if (entry && details && empty_entry(entry, details, tag))
		retag(ENTRIES, entry, index, MASK, tag, 0);
	return 1;
}

SEC("tc")
int sweep_sockets(struct __sk_buff *skb)
{
	return sweep(skb);
}

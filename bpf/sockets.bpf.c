/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The socket vantage: every packet of every socket below the root of cgroup v2, whatever its
 * network namespace. Egress is seen before fragmentation, ingress after reassembly. */
#include "types.h"

#include "socket_vantage.h"

#include "listeners.h"
#include "observe.h"
#include "sweep.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline bool is_listened(const struct observation *o, int direction)
{
	return is_listening(o->netns_cookie, direction == OUT ? o->packet.source_port : o->packet.destination_port);
}

/* An skb's or a socket's field where the program's type lets us see only __sk_buff. */
#define READ(target, pointer, field) \
	bpf_probe_read_kernel(&(target), sizeof(target), __builtin_preserve_access_index(&(pointer)->field))

static __always_inline __u64 netns_cookie(struct __sk_buff *skb)
{
	struct sk_buff *packet = (void *)skb;
	struct net *net = NULL;
	struct sock *sk = NULL;
	__u64 cookie = 0;

	if (settings.netns_helper)
		return bpf_get_netns_cookie(skb);
	READ(sk, packet, sk);
	READ(net, sk, __sk_common.skc_net.net);
	READ(cookie, net, net_cookie);
	return cookie;
}

/* Whether the process that runs now is the one that sends this. TCP: it holds the socket's lock;
 * what softirq has to send for such a socket waits in its backlog. UDP: sending happens in the
 * caller's context only. Others: not where the socket is the kernel's own. */
static __always_inline bool is_sender_current(struct __sk_buff *skb, __u8 protocol)
{
	struct sk_buff *packet = (void *)skb;
	struct bpf_sock *common = skb->sk;
	struct socket *socket = NULL;
	struct file *file = NULL;
	struct sock *sk = NULL;
	struct tcp_sock *tcp;

	if (protocol == IPPROTO_UDP)
		return true;
	if (protocol == IPPROTO_TCP) {
		tcp = common ? bpf_skc_to_tcp_sock(common) : NULL;
		return tcp && tcp->inet_conn.icsk_inet.sk.__sk_common.skc_state != SOCKET_LISTENS &&
		       tcp->inet_conn.icsk_inet.sk.sk_lock.owned;
	}
	if (protocol == IPPROTO_SCTP)
		return false; /* timers send, too */
	READ(sk, packet, sk);
	READ(socket, sk, sk_socket);
	READ(file, socket, file);
	return file;
}

/* Learns the owner: for good if it is the one who sends, until then who bound the port. */
static __always_inline __u8 adopt(struct __sk_buff *skb, __u8 protocol, int direction, struct owner *owner)
{
	struct bpf_sock *sk;
	struct owner *bound;

	if (direction == OUT && is_sender_current(skb, protocol)) {
		current_owner(owner);
		return OWNED;
	}
	if (owner->pid)
		return 0;
	sk = skb->sk;
	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 0;
	bound = bpf_sk_storage_get(&owners, sk, NULL, 0);
	if (bound)
		*owner = *bound;
	else
		owner->cgroup_id = bpf_skb_cgroup_id(skb);
	return 0;
}

static __always_inline void begin(struct __sk_buff *skb, struct observation *o, int direction, struct details *details,
				  __u8 *state)
{
	struct owner nobody = {};

	details->owner = nobody;
	details->opened_ns = 0;
	details->socket_cookie = bpf_get_socket_cookie(skb);
	*state = adopt(skb, o->packet.protocol, direction, &details->owner);
	if (settings.own_pid && details->owner.pid == settings.own_pid)
		*state |= OURS;
	if (direction == IN && o->packet.protocol == IPPROTO_TCP && (o->packet.flags & (SYN | ACK)) == SYN)
		note_listening(o->netns_cookie, o->packet.destination_port);
}

static __always_inline void dress(struct __sk_buff *skb, struct observation *o, int direction,
				  struct flow_record *record, struct details *details)
{
	struct bpf_sock *sk = skb->sk;
	struct bpf_tcp_sock *tcp;
	struct entry *entry;

	record->socket_cookie = bpf_get_socket_cookie(skb);
	if (!(o->state & OWNED) && adopt(skb, o->packet.protocol, direction, &details->owner)) {
		entry = bpf_map_lookup_elem(ENTRIES, &o->index);
		if (entry) {
			bpf_spin_lock(&entry->lock);
			if (entry->tag == o->tag)
				entry->state |= OWNED;
			bpf_spin_unlock(&entry->lock);
		}
	}
	describe(record, details, direction);
	if (o->packet.protocol != IPPROTO_TCP || !sk || sk->state == SOCKET_LISTENS)
		return;
	details->socket_cookie = record->socket_cookie; /* the handshake had the listener's */
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return;
	tcp = bpf_tcp_sock(sk);
	if (tcp)
		record->srtt_us = tcp->srtt_us >> 3;
}

/* A connected socket is known by its own addresses: behind NAT those of its packets differ in the
 * two directions. For others (listeners, servers of UDP, the kernel's own) the packet tells. */
static __always_inline __u64 tag_of_packet(struct __sk_buff *skb, struct observation *o, const int direction)
{
	const struct packet *packet = &o->packet;
	const __u64 *local = direction == OUT ? packet->source : packet->destination;
	const __u64 *remote = direction == OUT ? packet->destination : packet->source;
	__u16 local_port = direction == OUT ? packet->source_port : packet->destination_port;
	__u16 remote_port = direction == OUT ? packet->destination_port : packet->source_port;
	bool v4 = packet->version == 1;
	address own, peer;
	struct bpf_sock *sk = skb->sk;

	if (sk && sk->dst_port && local_port) {
		local_port = sk->src_port;
		remote_port = bpf_ntohs(sk->dst_port);
		if (v4) {
			own[1] = mapped(sk->src_ip4);
			peer[1] = mapped(sk->dst_ip4);
			own[0] = peer[0] = 0;
		} else {
			own[0] = two(sk->src_ip6[0], sk->src_ip6[1]);
			own[1] = two(sk->src_ip6[2], sk->src_ip6[3]);
			peer[0] = two(sk->dst_ip6[0], sk->dst_ip6[1]);
			peer[1] = two(sk->dst_ip6[2], sk->dst_ip6[3]);
		}
		return tag_of(v4, own, peer, local_port, remote_port, packet->protocol, o->netns_cookie);
	}
	return tag_of(v4, local, remote, local_port, remote_port, packet->protocol, o->netns_cookie);
}

static __always_inline int socket_packet(struct __sk_buff *skb, const int direction)
{
	struct observation o = {};

	switch (parse(skb, 0, bpf_ntohs(skb->protocol), &o.packet)) {
	case MALFORMED:
		lose(MALFORMED_PLACE, 1, skb->len);
		return 1;
	case NOT_IP:
		return 1;
	case PARSED:
		break;
	}
	o.netns_cookie = netns_cookie(skb);
	o.tag = tag_of_packet(skb, &o, direction);
	observe(skb, &o, direction);
	return 1; /* go on */
}

SEC("cgroup_skb/ingress")
int rubin_socket_in(struct __sk_buff *skb)
{
	return socket_packet(skb, IN);
}

SEC("cgroup_skb/egress")
int rubin_socket_out(struct __sk_buff *skb)
{
	return socket_packet(skb, OUT);
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

SEC("tc")
int sweep_sockets(struct __sk_buff *skb)
{
	return sweep(skb);
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Packets that the kernel threw away, with its reason. Each is told, none is aggregated. */
#include "types.h"

#include "packet.h"
#include "socket_vantage.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PACKET_HOST 0     /* linux/if_packet.h */
#define PACKET_OUTGOING 4
#define NO_HEADER 0xffff /* skb->mac_header before the packet is at a device */
#define SOCKET_WAITS 6 /* net/tcp_states.h: TIME_WAIT */
#define SOCKET_IS_REQUEST 12 /* NEW_SYN_RECV */

#define IS(reason, name)                                          \
	(bpf_core_enum_value_exists(enum skb_drop_reason, name) && \
	 (reason) == bpf_core_enum_value(enum skb_drop_reason, name))

/* Frees with a reason that lose nothing: queues of closing sockets, data that had already come,
 * frames for others that a listening interface saw, and resets, which are flows. */
static __always_inline bool is_no_drop(int reason)
{
	return reason == 0 || IS(reason, SKB_CONSUMED) || IS(reason, SKB_DROP_REASON_QUEUE_PURGE) ||
	       IS(reason, SKB_DROP_REASON_SOCKET_CLOSE) || IS(reason, SKB_DROP_REASON_OTHERHOST) ||
	       IS(reason, SKB_DROP_REASON_TCP_OLD_DATA) || IS(reason, SKB_DROP_REASON_TCP_OFOMERGE) ||
	       IS(reason, SKB_DROP_REASON_TCP_OLD_SEQUENCE) || IS(reason, SKB_DROP_REASON_TCP_OLD_ACK) ||
	       IS(reason, SKB_DROP_REASON_TCP_RESET) || IS(reason, SKB_DROP_REASON_TCP_CLOSE);
}

/* A free without a reason in a function that does so where all is well: the last segments of a
 * connection, the queue of a closing socket. Elsewhere it may well be a drop. */
static __always_inline bool is_quiet(__u64 location)
{
#pragma unroll
	for (int i = 0; i < QUIET_FUNCTIONS; i++)
		if (location >= settings.quiet[i].start && location < settings.quiet[i].end)
			return true;
	return false;
}

/* Whether it was meant for one host. */
static __always_inline bool is_unicast(struct sk_buff *skb, const struct packet *packet)
{
	__u8 type = BPF_CORE_READ_BITFIELD(skb, pkt_type);

	if (type != PACKET_HOST && type != PACKET_OUTGOING)
		return false;
	if (packet->version == 1)
		return (packet->destination[1] >> 32 & 0xff) < 224;
	return (packet->destination[0] & 0xff) != 0xff;
}

/* The packet's bytes from its IP header on, which stands at head + network_header wherever the
 * packet is dropped; skb->data may already lie behind it. A number, since what is read there is
 * nobody's promise. */
static __always_inline __u64 network_header(struct sk_buff *skb)
{
	__u64 head = 0;

	READ(head, skb, head);
	return head + skb->network_header;
}

#define READ_AT(target, where) bpf_probe_read_kernel(&(target), sizeof(target), (const void *)(where))

static __always_inline bool parse_ip(__u64 bytes, __u32 ethertype, __u32 length, struct packet *packet)
{
	if (ethertype == ETH_P_IP) {
		struct ipv4_header ip;

		if (READ_AT(ip, bytes) || ip.version_length >> 4 != 4)
			return false;
		packet->version = 1;
		packet->protocol = ip.protocol;
		packet->source[1] = mapped(ip.source);
		packet->destination[1] = mapped(ip.destination);
		packet->bytes = bpf_ntohs(ip.total) ?: length;
		packet->fragment = (bpf_ntohs(ip.fragment) & (FRAGMENT_OFFSET | MORE_FRAGMENTS)) != 0;
		packet->later_fragment = (bpf_ntohs(ip.fragment) & FRAGMENT_OFFSET) != 0;
		packet->offset = (ip.version_length & 15) * 4;
		return true;
	}
	if (ethertype == ETH_P_IPV6) {
		struct ipv6_header ip;

		if (READ_AT(ip, bytes) || (*(__u8 *)&ip) >> 4 != 6)
			return false;
		packet->version = 2;
		packet->protocol = ip.next;
		packet->source[0] = two(ip.source[0], ip.source[1]);
		packet->source[1] = two(ip.source[2], ip.source[3]);
		packet->destination[0] = two(ip.destination[0], ip.destination[1]);
		packet->destination[1] = two(ip.destination[2], ip.destination[3]);
		packet->bytes = ip.payload ? bpf_ntohs(ip.payload) + sizeof(ip) : length;
		packet->offset = sizeof(ip);
		return true;
	}
	return false;
}

static __always_inline void parse_extensions(__u64 bytes, struct packet *packet)
{
	for (int i = 0; i < IPPROTO_EXTENSIONS; i++) {
		struct extension extension;

		if (packet->version != 2 || packet->later_fragment || !is_extension(packet->protocol) ||
		    READ_AT(extension, bytes + packet->offset))
			return;
		packet->offset += step_over(packet, &extension);
	}
}

/* Returns the length of the header. */
static __always_inline __u32 parse_ports(__u64 bytes, struct packet *packet)
{
	union {
		struct tcp_header tcp;
		struct ports ports;
		struct icmp_header icmp;
		struct sctp_header sctp;
	} transport = {};

	if (packet->later_fragment || READ_AT(transport, bytes + packet->offset))
		return 0;
	switch (packet->protocol) {
	case IPPROTO_TCP:
		packet->flags = bpf_ntohs(transport.tcp.flags) & TCP_FLAGS;
		break;
	case IPPROTO_SCTP:
		packet->sctp_chunk = sctp_chunk(transport.sctp.chunk);
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		packet->icmp_type = transport.icmp.type;
		packet->icmp_code = transport.icmp.code;
		return 8;
	default:
		return 0;
	}
	packet->source_port = bpf_ntohs(transport.ports.source);
	packet->destination_port = bpf_ntohs(transport.ports.destination);
	return packet->protocol == IPPROTO_TCP ? (bpf_ntohs(transport.tcp.flags) >> 12) * 4 : 8;
}

/* The headers from the IP header on; false where it is none. Global, so that the verifier looks at it once, and
 * what comes behind it is one case and not as many as there are ways through it: 6.1's looks at each anew. */
__noinline int parse_headers(__u64 bytes, __u32 ethertype, __u32 length, struct packet *packet)
{
	if (!packet || !parse_ip(bytes, ethertype, length, packet))
		return false;
	parse_extensions(bytes, packet);
	packet->payload = parse_ports(bytes, packet) + packet->offset;
	return true;
}

/* What the drop's socket tells: by its storage, or as the last packet of its connection knew. */
static __always_inline void describe_socket(struct flow_record *record, struct sock *sk)
{
	struct owner *owner = bpf_sk_storage_get(&owners, sk, NULL, 0);
	struct details *details;
	struct entry *entry;
	__u32 index;
	__u64 tag;

	record->socket_cookie = sk->__sk_common.skc_cookie.counter;
	record->netns_cookie = sk->__sk_common.skc_net.net->net_cookie;
	record->netns_inode = sk->__sk_common.skc_net.net->ns.inum;
	if (owner)
		describe_owner(record, owner);
	tag = tag_of_socket(sk);
	if (!tag)
		return;
	entry = find(ENTRIES, tag, MASK, &index);
	details = bpf_map_lookup_elem(DETAILS, &index);
	if (entry && details && details->owner.pid)
		describe_owner(record, &details->owner);
}

/* Where it was; dev lies in a union with other things once a packet is queued at a socket. */
static __always_inline void describe_device(struct flow_record *record, struct sk_buff *skb)
{
	struct net_device *device = NULL;
	struct net *net = NULL;
	int ifindex = 0;

	READ(device, skb, dev);
	if (bpf_probe_read_kernel(&ifindex, sizeof(ifindex), __builtin_preserve_access_index(&device->ifindex)))
		ifindex = skb->skb_iif;
	record->ifindex = ifindex;
	if (record->netns_cookie)
		return;
	READ(net, device, nd_net.net);
	READ(record->netns_cookie, net, net_cookie);
	READ(record->netns_inode, net, ns.inum);
}

static __always_inline bool is_foreign_socket(struct sock *sk)
{
	return sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6;
}

static __always_inline bool is_own_socket(struct sock *sk)
{
	struct owner *owner = bpf_sk_storage_get(&owners, sk, NULL, 0);
	struct entry *entry;
	__u32 index;
	__u64 tag;

	if (owner && owner->pid == settings.own_pid)
		return true;
	tag = tag_of_socket(sk);
	entry = tag ? find(ENTRIES, tag, MASK, &index) : NULL;
	return entry && entry->state & OURS;
}

/* Whether the process that runs now is the one that sends this. A rule or a cgroup's program says no while
 * the packet is on its way from the socket to a device, which is in the sender's own call: for TCP where
 * the process holds the socket's lock, for UDP always. Everything else may be dropped later, by anyone. */
static __always_inline bool is_dropped_by_sender(struct sk_buff *skb, struct sock *sk, const struct packet *packet, int reason)
{
	__u8 state;

	if (!IS(reason, SKB_DROP_REASON_NETFILTER_DROP) && !IS(reason, SKB_DROP_REASON_BPF_CGROUP_EGRESS))
		return false;
	if (skb->skb_iif || skb->mac_header != NO_HEADER)
		return false;
	state = sk->__sk_common.skc_state;
	if (state == SOCKET_LISTENS || state == SOCKET_WAITS || state == SOCKET_IS_REQUEST)
		return false;
	if (!sk->sk_socket || !sk->sk_socket->file || sk->__sk_common.skc_num != packet->source_port)
		return false; /* the kernel's own, or a tunnel's packet */
	return packet->protocol == IPPROTO_UDP || (packet->protocol == IPPROTO_TCP && sk->sk_lock.owned);
}

/* Nobody waits in vain for an unsolicited echo reply, or one that a raw socket has got, for a reset
 * of a connection that has gone already, for what was sent to all and nobody wanted, or for the
 * multicast with which IPv6 comes up on an interface. */
static __always_inline bool is_background(struct sk_buff *skb, const struct packet *packet, int reason)
{
	if (IS(reason, SKB_DROP_REASON_NOT_SPECIFIED))
		return !is_unicast(skb, packet);
	if (IS(reason, SKB_DROP_REASON_IP_INNOROUTES))
		return packet->protocol == IPPROTO_ICMPV6 && !is_unicast(skb, packet);
	if (IS(reason, SKB_DROP_REASON_NO_SOCKET))
		return (packet->protocol == IPPROTO_ICMP && packet->icmp_type == 0) ||
		       (packet->protocol == IPPROTO_ICMPV6 && packet->icmp_type == 129) ||
		       (packet->protocol == IPPROTO_TCP && packet->flags & RST);
	return false;
}

/* The pieces of a packet that was put together go when it goes. */
static __always_inline bool is_piece(struct sk_buff *skb, const struct packet *packet)
{
	struct net_device *device = NULL;

	READ(device, skb, dev);
	return packet->fragment && !device;
}

static __always_inline int drop(struct sk_buff *skb, __u64 location, int reason, struct sock *receiver)
{
	struct sock *sk = receiver ?: skb->sk;
	struct packet packet = {};
	struct counts counts = {};
	struct skb_shared_info *shared;
	struct flow_record *r;
	struct owner sender;
	__u64 bytes;
	__u16 segments = 0;
	bool by_sender;

	if (is_no_drop(reason) || !skb->network_header || (sk && is_foreign_socket(sk)) ||
	    (IS(reason, SKB_DROP_REASON_NOT_SPECIFIED) && is_quiet(location))) {
		tally(TALLY_DROPS_IGNORED);
		return 0;
	}
	bytes = network_header(skb);
	if (!parse_headers(bytes, bpf_ntohs(skb->protocol), skb->len, &packet) || (sk && settings.own_pid && is_own_socket(sk))) {
		tally(TALLY_DROPS_IGNORED);
		return 0;
	}
	if (is_background(skb, &packet, reason) || is_piece(skb, &packet)) {
		tally(TALLY_DROPS_IGNORED);
		return 0;
	}
	by_sender = sk && !receiver && is_dropped_by_sender(skb, sk, &packet, reason);
	if (by_sender && settings.own_pid && bpf_get_current_task_btf()->tgid == settings.own_pid) {
		tally(TALLY_DROPS_IGNORED);
		return 0;
	}
	shared = (void *)(bytes - skb->network_header + skb->end);
	READ(segments, shared, gso_segs);
	counts.packets = segments ?: 1;
	counts.bytes = packet.bytes + (counts.packets - 1) * packet.payload;
	counts.flags = packet.flags;

	r = record(RECORD_DROP, LOSS_DROPS, &counts);
	if (!r)
		return 0;
	__builtin_memcpy(r->source, packet.source, sizeof(r->source));
	__builtin_memcpy(r->destination, packet.destination, sizeof(r->destination));
	r->source_port = packet.source_port;
	r->destination_port = packet.destination_port;
	r->protocol = packet.protocol;
	r->ip_version = packet.version;
	r->icmp_type = packet.icmp_type;
	r->icmp_code = packet.icmp_code;
	r->sctp_chunk = packet.sctp_chunk;
	r->drop_reason = reason;
	r->location = location;
	r->direction = receiver || skb->skb_iif ? 1 : 2; /* ingress: it has come in at some interface */
	if (sk)
		describe_socket(r, sk);
	if (by_sender && !r->pid) {
		current_owner(&sender);
		describe_owner(r, &sender);
	}
	describe_device(r, skb);
	submit(r);
	return 0;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(rubin_drop, struct sk_buff *skb, void *location, enum skb_drop_reason reason, struct sock *receiver)
{
	return drop(skb, (__u64)location, reason, receiver);
}

/* For kernels whose tracepoint does not tell the receiving socket (before 6.11). */
SEC("tp_btf/kfree_skb")
int BPF_PROG(rubin_drop_no_rx, struct sk_buff *skb, void *location, enum skb_drop_reason reason)
{
	return drop(skb, (__u64)location, reason, NULL);
}

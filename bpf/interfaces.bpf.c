/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The interface vantage: every packet that goes through an interface, forwarded ones included,
 * by tcx or clsact. What others attached still decides what becomes of it. */
#include "types.h"

#include "interface_vantage.h"

#include "fragments.h"
#include "observe.h"
#include "sweep.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define VXLAN_HAS_VNI 0x08

struct ethernet_header {
	__u8 destination[6];
	__u8 source[6];
	__u16 type;
};

struct vxlan_header {
	__u16 source;
	__u16 destination;
	__u16 length;
	__u16 checksum;
	__u8 flags;
	__u8 reserved[3];
	__u32 vni; /* upper 24 bits */
	struct ethernet_header inner;
} __attribute__((packed));

/* The device's own: bpf_get_netns_cookie tells the packet's socket's, if it has one. */
static __always_inline struct net *netns_of(struct __sk_buff *skb)
{
	struct net_device *device = FOLLOW(packet_of(skb), dev);

	return FOLLOW(device, nd_net.net);
}

/* Keeps apart what looks the same at two devices; two namespaces number theirs alike. */
static __always_inline __u64 device_of(struct __sk_buff *skb)
{
	return cookie_of(netns_of(skb)) << 24 ^ skb->ifindex;
}

static __always_inline bool is_known_type(__u16 type)
{
	return type == bpf_htons(ETH_P_IP) || type == bpf_htons(ETH_P_IPV6) || type == bpf_htons(ETH_P_8021Q) ||
	       type == bpf_htons(ETH_P_8021AD);
}

/* Devices like tun and WireGuard's have no Ethernet header, and say so nowhere where we can read.
 * A header without options begins with 0x45, which no station's Ethernet address does (its lowest
 * bit says group). */
static __always_inline bool has_ethernet(const __u8 *bytes, __u16 type, __u32 skb_protocol)
{
	if (!is_known_type(type))
		return !((skb_protocol == bpf_htons(ETH_P_IP) && bytes[0] >> 4 == 4) ||
			 (skb_protocol == bpf_htons(ETH_P_IPV6) && bytes[0] >> 4 == 6));
	return !(skb_protocol == bpf_htons(ETH_P_IP) && bytes[0] == 0x45);
}

/* The tags between the Ethernet header and the packet; leaves the type of what follows. */
static __always_inline __u32 skip_tags(struct __sk_buff *skb, struct packet *packet, __u32 offset, __u16 *type)
{
#pragma unroll
	for (int i = 0; i < 2; i++) {
		struct {
			__u16 tag;
			__u16 type;
		} next;

		if (*type != bpf_htons(ETH_P_8021Q) && *type != bpf_htons(ETH_P_8021AD))
			break;
		if (bpf_skb_load_bytes(skb, offset, &next, sizeof(next)))
			break;
		packet->outer_vlan = packet->vlan;
		packet->vlan = bpf_ntohs(next.tag) & 0xfff;
		*type = next.type;
		offset += sizeof(next);
	}
	return offset;
}

/* With VXLAN the packet is the inner one, and the outer addresses are the tunnel's. */
static __always_inline int enter_vxlan(struct __sk_buff *skb, struct packet *packet)
{
	struct tunnel *tunnel = &packet->tunnel;
	struct vxlan_header vxlan;
	__u32 offset = packet->offset + sizeof(vxlan);
	__u16 type;

	if (bpf_skb_load_bytes(skb, packet->offset, &vxlan, sizeof(vxlan)) || !(vxlan.flags & VXLAN_HAS_VNI))
		return PARSED;
	type = bpf_ntohs(vxlan.inner.type);
	if (type != ETH_P_IP && type != ETH_P_IPV6)
		return PARSED;
	__builtin_memcpy(tunnel->source, packet->source, sizeof(tunnel->source));
	__builtin_memcpy(tunnel->destination, packet->destination, sizeof(tunnel->destination));
	tunnel->source_port = packet->source_port;
	tunnel->destination_port = packet->destination_port;
	tunnel->vni = bpf_ntohl(vxlan.vni) >> 8;
	packet->tunnelled = true;
	packet->source[0] = packet->destination[0] = 0;
	packet->source_port = packet->destination_port = 0;
	packet->fragment = false;
	packet->frame_offset = offset - sizeof(vxlan.inner);
	return parse(skb, offset, type, packet);
}

__noinline int parse_frame(struct __sk_buff *skb, struct packet *packet)
{
	struct ethernet_header ethernet = {};
	__u32 offset = sizeof(ethernet);
	int parsed;

	if (!packet)
		return MALFORMED;
	if (bpf_skb_load_bytes(skb, 0, &ethernet, sizeof(ethernet)))
		return NOT_IP;
	if (has_ethernet((void *)&ethernet, ethernet.type, skb->protocol)) {
		packet->ethernet = true;
		if (skb->vlan_present)
			packet->vlan = skb->vlan_tci & 0xfff;
		offset = skip_tags(skb, packet, offset, &ethernet.type);
	} else {
		ethernet.type = skb->protocol;
		offset = 0;
	}
	parsed = parse(skb, offset, bpf_ntohs(ethernet.type), packet);
	if (parsed != PARSED)
		return parsed;
	if (packet->fragment)
		join_fragment(packet);
	if (settings.vxlan_port && packet->protocol == IPPROTO_UDP && !packet->later_fragment &&
	    packet->destination_port == settings.vxlan_port)
		return enter_vxlan(skb, packet);
	return PARSED;
}

struct plain_frame {
	struct ethernet_header ethernet;
	struct ipv4_header ip;
	struct tcp_header tcp;
} __attribute__((packed));

/* Most packets: IPv4 without options and fragments, in Ethernet without tags; NULL for others, or where the headers
 * cannot be read directly. */
static __always_inline const struct plain_frame *plain_frame(struct __sk_buff *skb)
{
	const struct plain_frame *frame = (void *)(long)skb->data;

	if ((void *)(frame + 1) > (void *)(long)skb->data_end || skb->vlan_present)
		return NULL;
	if (frame->ethernet.type != bpf_htons(ETH_P_IP) || frame->ip.version_length != 0x45 ||
	    frame->ethernet.destination[0] == 0x45 ||
	    frame->ip.fragment & bpf_htons(MORE_FRAGMENTS | FRAGMENT_OFFSET))
		return NULL;
	return frame;
}

/* Addresses, ports and flags of TCP and UDP, if they are not a tunnel's. */
static __always_inline bool parse_plain_frame(struct __sk_buff *skb, struct packet *packet)
{
	const struct plain_frame *frame = plain_frame(skb);

	if (!frame || (frame->ip.protocol == IPPROTO_UDP && frame->tcp.destination == bpf_htons(settings.vxlan_port)))
		return false;
	packet->ethernet = true;
	return parse_plain(skb, sizeof(struct ethernet_header), packet);
}

/* In the middle of a TCP connection, where only what goes out is told: its first packet has said who opened it. */
static __always_inline bool goes_on(struct __sk_buff *skb)
{
	const struct plain_frame *frame = plain_frame(skb);

	return frame && frame->ip.protocol == IPPROTO_TCP && !(frame->tcp.flags & bpf_htons(SYN));
}

static __always_inline enum parsed look(struct __sk_buff *skb, int direction, struct sight *sight, struct packet *packet)
{
	enum parsed parsed = !sight && parse_plain_frame(skb, packet) ? PARSED : parse_frame(skb, packet);
	const __u64 *local = direction == OUT ? packet->source : packet->destination;
	const __u64 *remote = direction == OUT ? packet->destination : packet->source;
	__u32 ports;
	__u64 place;

	if (!sight || parsed != PARSED)
		return parsed;
	ports = direction == OUT ? pair_of(packet->source_port, packet->destination_port) :
				   pair_of(packet->destination_port, packet->source_port);
	sight->count = COUNT(packet->packets, packet->bytes);
	sight->flags = packet->flags;
	sight->protocol = packet->protocol;
	place = device_of(skb) ^ ((__u64)packet->outer_vlan << 52 | (__u64)packet->vlan << 40 | packet->tunnel.vni);
	if (packet->version == 1) {
		sight->tag = tag_v4(local[1] >> 32, remote[1] >> 32, ports, packet->protocol, place);
	} else {
		__u32 own[] = { local[0], local[0] >> 32, local[1], local[1] >> 32 };
		__u32 peer[] = { remote[0], remote[0] >> 32, remote[1], remote[1] >> 32 };

		sight->tag = tag_v6(own, peer, ports, packet->protocol, place);
	}
	return PARSED;
}

/* TCP and UDP of plain frames. */
static __always_inline bool glance(struct __sk_buff *skb, const int direction, struct sight *sight)
{
	const struct plain_frame *frame = plain_frame(skb);
	__u32 headers, local, remote, ports, bytes, segments = skb->gso_segs;

	if (!frame)
		return false;
	sight->protocol = frame->ip.protocol;
	bytes = skb->len - sizeof(struct ethernet_header);
	if (sight->protocol == IPPROTO_TCP) {
		sight->flags = bpf_ntohs(frame->tcp.flags) & TCP_FLAGS;
		headers = sizeof(struct ipv4_header) + (bpf_ntohs(frame->tcp.flags) >> 12) * 4;
	} else if (sight->protocol == IPPROTO_UDP && frame->tcp.destination != bpf_htons(settings.vxlan_port)) {
		headers = sizeof(struct ipv4_header) + 8;
	} else {
		return false;
	}
	if (segments > 1) {
		sight->count = COUNT(segments, bytes + (segments - 1) * headers);
	} else {
		if (skb->gso_size) /* a driver that leaves the counting to us */
			return false;
		if (bpf_ntohs(frame->ip.total) < bytes) /* padded */
			bytes = bpf_ntohs(frame->ip.total);
		sight->count = COUNT(1, bytes);
	}
	local = direction == OUT ? frame->ip.source : frame->ip.destination;
	remote = direction == OUT ? frame->ip.destination : frame->ip.source;
	ports = direction == OUT ? pair_of(bpf_ntohs(frame->tcp.source), bpf_ntohs(frame->tcp.destination)) :
				   pair_of(bpf_ntohs(frame->tcp.destination), bpf_ntohs(frame->tcp.source));
	sight->tag = tag_v4(local, remote, ports, sight->protocol, device_of(skb));
	return true;
}

static __always_inline __u32 begin(struct __sk_buff *skb, const struct sight *sight, const struct packet *packet,
				   int direction, struct details *details)
{
	details->tunnel = packet->tunnel;
	details->kind = kind_of(skb->ifindex);
	details->socket_cookie = 0;
	return direction == OUT && is_sender_agent(skb, packet->protocol) ? OURS : 0;
}

static __always_inline void learn(struct __sk_buff *skb, struct sight *sight, const struct entry *entry, __u32 index)
{
}

static __always_inline void dress(struct __sk_buff *skb, const struct sight *sight, const struct packet *packet,
				  __u32 index, __u32 state, int direction, struct flow_record *record)
{
	const struct details *details = bpf_map_lookup_elem(DETAILS, &index);
	const struct ethernet_header *ethernet = NULL;
	struct ethernet_header copy;

	if (!details)
		return;
	record->vlan = packet->vlan;
	describe_tunnel(record, &packet->tunnel);
	if (packet->ethernet)
		ethernet = bytes_at(skb, packet->frame_offset, sizeof(*ethernet), &copy);
	if (ethernet) {
		__builtin_memcpy(record->source_mac, ethernet->source, sizeof(record->source_mac));
		__builtin_memcpy(record->destination_mac, ethernet->destination, sizeof(record->destination_mac));
	}
	describe_point(record, details->kind, direction);
	if (direction == OUT)
		record->socket_cookie = bpf_get_socket_cookie(skb);
}

SEC("tc")
int rubin_ingress(struct __sk_buff *skb)
{
	if (!is_suppressed(IN) || !goes_on(skb))
		observe(skb, IN);
	return TCX_NEXT;
}

SEC("tc")
int rubin_egress(struct __sk_buff *skb)
{
	observe(skb, OUT);
	return TCX_NEXT;
}

SEC("tc")
int sweep_interfaces(struct __sk_buff *skb)
{
	return sweep(skb);
}

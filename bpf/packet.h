/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What is read from a packet's headers. */
#pragma once

#include "maps.h"
#include "types.h"

#define IPPROTO_EXTENSIONS 8 /* more extension headers than this nobody sends */
#define MORE_FRAGMENTS 0x2000
#define FRAGMENT_OFFSET 0x1fff

enum parsed {
	PARSED,
	NOT_IP,
	MALFORMED, /* no readable IP header */
};

enum tcp_flag { /* of model/enums.TCPFlags, those that are looked at */
	FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, TCP_FLAGS = 0x1ff,
};

struct tunnel {
	address source;
	address destination;
	__u16 source_port;
	__u16 destination_port;
	__u32 vni;
};

struct packet {
	address source;
	address destination;
	__u32 offset;  /* of the network header, then of the transport's */
	__u32 payload; /* offset of what TCP or UDP carries; 0: nothing */
	__u32 packets; /* on the wire, that is after segmentation */
	__u32 bytes;   /* IP packets as on the wire: a header for each segment */
	__u32 fragment_id;
	__u16 source_port; /* ICMP: the echo's identifier, in both */
	__u16 destination_port;
	__u16 flags; /* TCP's; of SCTP a bit for each chunk type */
	__u8 version; /* as in a record */
	__u8 protocol;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 sctp_chunk; /* as in a record */
	bool fragment;
	bool later_fragment;
	/* only at interfaces: */
	bool ethernet;    /* has such a header, at frame_offset */
	__u32 frame_offset;
	bool tunnelled;
	__u16 vlan;       /* the innermost */
	__u16 outer_vlan;
	struct tunnel tunnel;
};

struct ipv4_header {
	__u8 version_length;
	__u8 tos;
	__u16 total;
	__u16 id;
	__u16 fragment;
	__u8 ttl;
	__u8 protocol;
	__u16 checksum;
	__u32 source;
	__u32 destination;
};

struct ipv6_header {
	__u32 version_class_flow;
	__u16 payload;
	__u8 next;
	__u8 hops;
	__u32 source[4];
	__u32 destination[4];
};

struct tcp_header {
	__u16 source;
	__u16 destination;
	__u32 sequence;
	__u32 acknowledged;
	__u16 flags;
};

struct ports {
	__u16 source;
	__u16 destination;
};

struct icmp_header {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__u16 id;
};

struct sctp_header {
	__u16 source;
	__u16 destination;
	__u32 tag;
	__u32 checksum;
	__u8 chunk;
};

/* `size` bytes at `offset`: in place where the packet is linear there, else in `copy`; or NULL. */
static __always_inline const void *bytes_at(struct __sk_buff *skb, __u32 offset, __u32 size, void *copy)
{
	void *data = (void *)(long)skb->data;

	if (offset > 0x3fff) /* for the verifier; headers do not go so far */
		return NULL;
	if (data + offset + size <= (void *)(long)skb->data_end)
		return data + offset;
	return bpf_skb_load_bytes(skb, offset, copy, size) ? NULL : copy;
}

static __always_inline __u64 mapped(__u32 v4)
{
	return (__u64)v4 << 32 | 0xffff0000; /* bytes 8 to 15 of ::ffff:a.b.c.d, little endian */
}

static __always_inline __u64 two(__u32 first, __u32 second)
{
	return (__u64)second << 32 | first;
}

static __always_inline enum parsed parse_ipv4(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv4_header copy;
	const struct ipv4_header *ip = bytes_at(skb, packet->offset, sizeof(*ip), &copy);
	__u32 length, fragment;

	if (!ip || ip->version_length >> 4 != 4)
		return MALFORMED;
	length = (ip->version_length & 15) * 4;
	if (length < sizeof(*ip))
		return MALFORMED;
	packet->version = 1;
	packet->protocol = ip->protocol;
	packet->source[1] = mapped(ip->source);
	packet->destination[1] = mapped(ip->destination);
	fragment = bpf_ntohs(ip->fragment);
	if (fragment & (MORE_FRAGMENTS | FRAGMENT_OFFSET)) {
		packet->fragment = 1;
		packet->later_fragment = (fragment & FRAGMENT_OFFSET) != 0;
		packet->fragment_id = ip->id;
	}
	/* A short frame is padded behind the packet; a segmented one has no length of its own. */
	if (!skb->gso_segs && bpf_ntohs(ip->total) < packet->bytes && ip->total)
		packet->bytes = bpf_ntohs(ip->total);
	packet->offset += length;
	return PARSED;
}

struct extension {
	__u8 next;
	__u8 length;
	__u16 fragment;
	__u32 id;
};

static __always_inline bool is_extension(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_DSTOPTS ||
	       protocol == IPPROTO_AH || protocol == IPPROTO_FRAGMENT;
}

/* The length of an IPv6 extension header; the packet then has the protocol of what follows. */
static __always_inline __u32 step_over(struct packet *packet, const struct extension *extension)
{
	__u32 length = (extension->length + 1) * 8;

	if (packet->protocol == IPPROTO_FRAGMENT) {
		packet->fragment = true;
		packet->later_fragment = (bpf_ntohs(extension->fragment) & 0xfff8) != 0;
		packet->fragment_id = extension->id;
		length = sizeof(*extension);
	} else if (packet->protocol == IPPROTO_AH) {
		length = (extension->length + 2) * 4;
	}
	packet->protocol = extension->next;
	return length;
}

static __always_inline void skip_extensions(struct __sk_buff *skb, struct packet *packet)
{
	for (int i = 0; i < IPPROTO_EXTENSIONS; i++) {
		struct extension extension;

		if (!is_extension(packet->protocol) ||
		    bpf_skb_load_bytes(skb, packet->offset, &extension, sizeof(extension)))
			return;
		packet->offset += step_over(packet, &extension);
		if (packet->later_fragment)
			return; /* what follows is the middle of somebody's data */
	}
}

static __always_inline enum parsed parse_ipv6(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6_header copy;
	const struct ipv6_header *ip = bytes_at(skb, packet->offset, sizeof(*ip), &copy);
	__u32 total;

	if (!ip || (*(const __u8 *)ip) >> 4 != 6)
		return MALFORMED;
	packet->version = 2;
	packet->protocol = ip->next;
	packet->source[0] = two(ip->source[0], ip->source[1]);
	packet->source[1] = two(ip->source[2], ip->source[3]);
	packet->destination[0] = two(ip->destination[0], ip->destination[1]);
	packet->destination[1] = two(ip->destination[2], ip->destination[3]);
	total = bpf_ntohs(ip->payload) + sizeof(*ip);
	if (!skb->gso_segs && ip->payload && total < packet->bytes)
		packet->bytes = total;
	packet->offset += sizeof(*ip);
	skip_extensions(skb, packet);
	return PARSED;
}

/* model/enums.SCTPChunk of a chunk's type on the wire. */
static __always_inline __u8 sctp_chunk(__u8 type)
{
	switch (type) {
	case 1: return 1;  /* INIT */
	case 2: return 2;  /* INIT ACK */
	case 7: return 3;  /* SHUTDOWN */
	case 8: return 4;  /* SHUTDOWN ACK */
	case 14: return 5; /* SHUTDOWN COMPLETE */
	case 6: return 6;  /* ABORT */
	default: return 0;
	}
}

static __always_inline bool is_echo(const struct packet *packet)
{
	if (packet->protocol == IPPROTO_ICMP)
		return packet->icmp_type == 8 || packet->icmp_type == 0;
	return packet->protocol == IPPROTO_ICMPV6 && (packet->icmp_type == 128 || packet->icmp_type == 129);
}

static __always_inline bool is_icmp_error(const struct packet *packet)
{
	if (packet->protocol == IPPROTO_ICMP)
		return packet->icmp_type == 3 || packet->icmp_type == 4 || packet->icmp_type == 5 ||
		       packet->icmp_type == 11 || packet->icmp_type == 12;
	return packet->protocol == IPPROTO_ICMPV6 && packet->icmp_type < 128;
}

/* Ports, flags and types; how long the transport's header is. A header cut short leaves a flow
 * without ports: its bytes count all the same. */
static __always_inline __u32 parse_transport(struct __sk_buff *skb, struct packet *packet)
{
	__u64 copy[2];

	if (packet->later_fragment)
		return 0;
	if (packet->protocol == IPPROTO_TCP) {
		const struct tcp_header *tcp = bytes_at(skb, packet->offset, 14, copy);

		if (!tcp)
			return 0;
		packet->source_port = bpf_ntohs(tcp->source);
		packet->destination_port = bpf_ntohs(tcp->destination);
		packet->flags = bpf_ntohs(tcp->flags) & TCP_FLAGS;
		return (bpf_ntohs(tcp->flags) >> 12) * 4;
	}
	if (packet->protocol == IPPROTO_UDP || packet->protocol == IPPROTO_UDPLITE) {
		const struct ports *udp = bytes_at(skb, packet->offset, sizeof(*udp), copy);

		if (!udp)
			return 0;
		packet->source_port = bpf_ntohs(udp->source);
		packet->destination_port = bpf_ntohs(udp->destination);
		return 8;
	}
	if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6) {
		const struct icmp_header *icmp = bytes_at(skb, packet->offset, sizeof(*icmp), copy);

		if (!icmp)
			return 0;
		packet->icmp_type = icmp->type;
		packet->icmp_code = icmp->code;
		if (is_echo(packet))
			packet->source_port = packet->destination_port = bpf_ntohs(icmp->id);
		return 8;
	}
	if (packet->protocol == IPPROTO_SCTP) {
		const struct sctp_header *sctp = bytes_at(skb, packet->offset, 13, copy);

		if (!sctp)
			return 0;
		packet->source_port = bpf_ntohs(sctp->source);
		packet->destination_port = bpf_ntohs(sctp->destination);
		packet->sctp_chunk = sctp_chunk(sctp->chunk);
		packet->flags = packet->sctp_chunk ? 1 << packet->sctp_chunk : 0;
		return 12;
	}
	return 0;
}

/* Segmentation is still to come, or has been undone: count what is on the wire. */
static __always_inline void count_segments(struct __sk_buff *skb, struct packet *packet, __u32 headers)
{
	__u32 segments = skb->gso_segs;

	packet->packets = 1;
	if (!segments && skb->gso_size && packet->bytes > headers) /* a driver that leaves the counting to us */
		segments = (packet->bytes - headers + skb->gso_size - 1) / skb->gso_size;
	if (segments > 1) {
		packet->packets = segments;
		packet->bytes += (segments - 1) * headers;
	}
}

/* The IP packet that begins at `offset`: enum parsed. Global (as are other big functions), so that
 * the verifier looks at it once and not anew for each caller. */
__noinline int parse(struct __sk_buff *skb, __u32 offset, __u32 ethertype, struct packet *packet)
{
	enum parsed parsed;
	__u32 transport;

	if (!packet)
		return MALFORMED;
	packet->offset = offset;
	packet->bytes = skb->len - offset;
	if (ethertype == ETH_P_IP)
		parsed = parse_ipv4(skb, packet);
	else if (ethertype == ETH_P_IPV6)
		parsed = parse_ipv6(skb, packet);
	else
		return NOT_IP;
	if (parsed != PARSED)
		return parsed;
	transport = parse_transport(skb, packet);
	if ((packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP) && transport &&
	    packet->offset + transport < skb->len)
		packet->payload = packet->offset + transport;
	count_segments(skb, packet, packet->offset - offset + transport);
	return PARSED;
}

/* The same for most packets, in a tenth of the instructions: IPv4 without options and fragments, TCP or UDP;
 * addresses, ports and flags only. */
static __always_inline bool parse_plain(struct __sk_buff *skb, const __u32 offset, struct packet *packet)
{
	struct {
		struct ipv4_header ip;
		struct tcp_header tcp;
	} *plain = (void *)(long)skb->data + offset;

	if ((void *)(plain + 1) > (void *)(long)skb->data_end || plain->ip.version_length != 0x45 ||
	    plain->ip.fragment & bpf_htons(MORE_FRAGMENTS | FRAGMENT_OFFSET))
		return false;
	if (plain->ip.protocol == IPPROTO_TCP)
		packet->flags = bpf_ntohs(plain->tcp.flags) & TCP_FLAGS;
	else if (plain->ip.protocol != IPPROTO_UDP)
		return false;
	packet->version = 1;
	packet->protocol = plain->ip.protocol;
	packet->source[1] = mapped(plain->ip.source);
	packet->destination[1] = mapped(plain->ip.destination);
	packet->source_port = bpf_ntohs(plain->tcp.source);
	packet->destination_port = bpf_ntohs(plain->tcp.destination);
	return true;
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What packets do not tell of a TCP connection: its end, and what had to be sent again. Connects,
 * accepts and resets are seen on their packets, which costs nothing between them. */
#include "types.h"

#include "socket_vantage.h"

#include "flush.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* As tag_of_socket, by loads instead of copies: of a tracepoint's argument the verifier knows what it is. */
static __always_inline __u64 tag_of_tcp(struct sock *sk, struct tcp_sock *tcp)
{
	__u16 remote_port = sk->__sk_common.skc_dport;
	__u32 ports;

	if (!remote_port)
		return 0;
	if (sk->__sk_common.skc_family != AF_INET)
		return tag_of_socket(sk);
	ports = pair_of(bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport), bpf_ntohs(remote_port));
	return tag_v4(sk->__sk_common.skc_rcv_saddr, sk->__sk_common.skc_daddr, ports, IPPROTO_TCP,
		      place_of(FOLLOW(sk, __sk_common.skc_net.net)));
}

static __always_inline void close_record(const struct details *details, __u32 state, const int direction,
					 const struct counts *counts, __u32 srtt_us, __u8 event)
{
	struct flow_record *r = tell(RECORD_TCP, details, state, direction, counts);

	if (!r)
		return;
	r->tcp_event = event;
	r->srtt_us = srtt_us;
	submit(r);
}

/* Fires once for each socket, when its connection is over and its owner has let it go. */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(rubin_tcp_closed, struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	__u64 tag = tcp ? tag_of_tcp(sk, tcp) : 0;
	struct details *details;
	struct counts in, out;
	struct entry *entry;
	__u32 index, srtt_us, state;

	if (!tag)
		return 0;
	entry = find(ENTRIES, tag, MASK, &index);
	details = bpf_map_lookup_elem(DETAILS, &index);
	if (!entry || !details || __sync_val_compare_and_swap(&entry->tag, tag, BUSY) != tag)
		return 0;
	if (!(entry->state & OURS)) {
		srtt_us = tcp->srtt_us >> 3;
		take(entry, OUT, &out);
		take(entry, IN, &in);
		if (out.packets || !in.packets)
			close_record(details, entry->state, OUT, &out, srtt_us, TCP_EVENT_CLOSE);
		if (in.packets)
			close_record(details, entry->state, IN, &in, srtt_us,
				     out.packets ? TCP_EVENT_NONE : TCP_EVENT_CLOSE);
	}
	state = entry->state;
	retag(ENTRIES, entry, index, MASK, tag, 0);
	note_closed(tag, state); /* what lies in nobody's cache comes last: the next lock waits for it */
	return 0;
}

/* Counted in the connection; its next record out carries it. */
SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(rubin_tcp_resent, struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	__u64 tag = tcp ? tag_of_tcp(sk, tcp) : 0;
	struct entry *entry;
	__u32 index;

	if (!tag)
		return 0;
	entry = find(ENTRIES, tag, MASK, &index);
	if (entry)
		__sync_fetch_and_add(&entry->retransmits, 1);
	return 0;
}

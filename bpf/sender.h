/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who sends a packet that leaves a local socket. */
#pragma once

#include "ring.h"
#include "types.h"

/* Whether the process that runs now is the one that sends this. TCP: it holds the socket's lock;
 * what softirq has to send for such a socket waits in its backlog. UDP: sending happens in the
 * caller's context only. Others: not where the socket is the kernel's own. */
static __always_inline bool is_sender_current(struct __sk_buff *skb, __u8 protocol)
{
	struct bpf_sock *common = skb->sk;
	struct socket *socket;
	struct tcp_sock *tcp;
	struct sock *sk;

	if (protocol == IPPROTO_UDP)
		return true;
	if (protocol == IPPROTO_TCP) {
		tcp = common ? bpf_skc_to_tcp_sock(common) : NULL;
		return tcp && tcp->inet_conn.icsk_inet.sk.__sk_common.skc_state != SOCKET_LISTENS &&
		       tcp->inet_conn.icsk_inet.sk.sk_lock.owned;
	}
	if (protocol == IPPROTO_SCTP)
		return false; /* timers send, too */
	sk = FOLLOW(packet_of(skb), sk);
	socket = sk ? FOLLOW(sk, sk_socket) : NULL;
	return socket && FOLLOW(socket, file);
}

/* The agent's own traffic is left out: what it reports would make more of it. */
static __always_inline bool is_sender_agent(struct __sk_buff *skb, __u8 protocol)
{
	return settings.own_pid && bpf_get_current_task_btf()->tgid == settings.own_pid && skb->sk &&
	       is_sender_current(skb, protocol);
}

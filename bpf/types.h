/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The kernel's types, only the fields that we read; libbpf finds where they are in the running
 * kernel (CO-RE). A field that some kernel lacks is read behind bpf_core_field_exists. */
#pragma once

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define RELOCATED __attribute__((preserve_access_index))

#define AF_INET 2
#define AF_INET6 10
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8
#define TCX_NEXT -1 /* TC_ACT_UNSPEC as well */
#define SOCKET_LISTENS 10 /* TCP_LISTEN */

typedef __u64 address[2]; /* network order, IPv4 mapped into IPv6, as in struct flow_record */

struct ns_common {
	unsigned int inum;
} RELOCATED;

struct net {
	__u64 net_cookie;
	struct ns_common ns;
} RELOCATED;

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_words { /* struct in6_addr, read as words */
	__u32 word[4];
};

struct sock_common {
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	__u16 skc_dport; /* network order */
	__u16 skc_num;   /* host order */
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_words skc_v6_daddr;
	struct in6_words skc_v6_rcv_saddr;
	struct {
		__s64 counter;
	} skc_cookie;
} RELOCATED;

typedef struct {
	int owned;
} RELOCATED socket_lock_t;

typedef struct {
	struct {
		__s64 counter;
	} refcnt;
} RELOCATED file_ref_t;

struct file {
	file_ref_t f_ref; /* 0: one holds it (6.13) */
	struct {
		__s64 counter;
	} f_count; /* before */
} RELOCATED;

struct sock;

struct socket {
	struct sock *sk;
	struct file *file;
} RELOCATED;

struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	__u16 sk_protocol;
	struct socket *sk_socket;
} RELOCATED;

struct inet_sock {
	struct sock sk;
	__u16 inet_sport; /* network order; still there when skc_num has been given back */
} RELOCATED;

struct inet_connection_sock {
	struct inet_sock icsk_inet;
} RELOCATED;

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 srtt_us; /* eighths */
} RELOCATED;

struct net_device {
	int ifindex;
	possible_net_t nd_net;
} RELOCATED;

struct sk_buff {
	struct sock *sk;
	struct net_device *dev;
	unsigned char *head;
	unsigned char *data;
	unsigned int end; /* from head, on 64 bits */
	unsigned int len;
	__u16 network_header;
	__u16 mac_header;
	__u16 protocol;
	__u8 pkt_type : 3; /* BPF_CORE_READ_BITFIELD */
	int skb_iif;
} RELOCATED;

struct skb_shared_info {
	unsigned short gso_segs;
} RELOCATED;

/* Reasons that are told apart; the numbers are the running kernel's (bpf_core_enum_value). */
enum skb_drop_reason {
	SKB_NOT_DROPPED_YET,
	SKB_CONSUMED,
	SKB_DROP_REASON_NOT_SPECIFIED,
	SKB_DROP_REASON_NO_SOCKET,
	SKB_DROP_REASON_SOCKET_CLOSE,
	SKB_DROP_REASON_OTHERHOST,
	SKB_DROP_REASON_IP_INNOROUTES,
	SKB_DROP_REASON_NETFILTER_DROP,
	SKB_DROP_REASON_BPF_CGROUP_EGRESS,
	SKB_DROP_REASON_TCP_OLD_DATA,
	SKB_DROP_REASON_TCP_OFOMERGE,
	SKB_DROP_REASON_TCP_OLD_SEQUENCE,
	SKB_DROP_REASON_TCP_OLD_ACK,
	SKB_DROP_REASON_TCP_RESET,
	SKB_DROP_REASON_TCP_CLOSE,
	SKB_DROP_REASON_QUEUE_PURGE,
};

struct kernfs_node {
	__u64 id;
} RELOCATED;

struct cgroup_root {
	int hierarchy_id; /* 0: v2 */
	unsigned int subsys_mask;
} RELOCATED;

struct cgroup {
	struct kernfs_node *kn;
	int level; /* 0: the root */
	struct cgroup_root *root;
} RELOCATED;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
} RELOCATED;

enum cgroup_subsys_id {
	pids_cgrp_id,
};

struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp;
} RELOCATED;

typedef struct {
	__u32 val;
} kuid_t;

struct cred {
	kuid_t uid;
} RELOCATED;

struct task_struct {
	int tgid;
	const struct cred *cred;
	char comm[16];
	struct css_set *cgroups;
	struct task_struct *group_leader;
	int pid;
	void *bpf_storage; /* what programs keep with the task; NULL: nothing */
} RELOCATED;

struct linux_binprm {
	const char *interp; /* what is really executed: of a script its interpreter */
} RELOCATED;

/* A field of the kernel's own, of which a program has the address alone. */
#define READ(target, pointer, field) \
	bpf_probe_read_kernel(&(target), sizeof(target), __builtin_preserve_access_index(&(pointer)->field))

/* Since 6.2 a packet program may see its packet as the kernel has it, and follow its pointers. */
extern void *bpf_cast_to_kern_ctx(void *context) __ksym __weak;
extern void *bpf_rdonly_cast(const void *address, __u32 type) __ksym __weak;

static __always_inline struct sk_buff *packet_of(struct __sk_buff *skb)
{
	return &bpf_cast_to_kern_ctx ? bpf_cast_to_kern_ctx(skb) : (void *)skb;
}

/* A field of what was found from there: a load instead of a copy where the kernel allows it. */
#define FOLLOW(pointer, field)                          \
	({                                              \
		typeof((pointer)->field) _found = 0;    \
		if (&bpf_cast_to_kern_ctx)              \
			_found = (pointer)->field;      \
		else                                    \
			READ(_found, pointer, field);   \
		_found;                                 \
	})

static __always_inline __u64 cookie_of(struct net *net)
{
	return net ? FOLLOW(net, net_cookie) : 0;
}

static __always_inline __u32 inode_of(struct net *net)
{
	return net ? FOLLOW(net, ns.inum) : 0;
}

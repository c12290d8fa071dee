/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owners and listening ports of sockets that are older than the agent. */
#include "types.h"

#include "listeners.h"
#include "owner.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct bpf_iter_meta;

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
} RELOCATED;

/* The caller's process id as the kernel counts; in a process namespace it knows another. */
SEC("tc")
int rubin_whoami(struct __sk_buff *skb)
{
	return bpf_get_current_task_btf()->tgid;
}

/* Of several that hold a socket, the first is taken for its owner. */
SEC("iter/task_file")
int rubin_owners(struct bpf_iter__task_file *context)
{
	struct task_struct *task = context->task;
	struct file *file = context->file;
	struct socket *socket;
	struct owner *owner;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6))
		return 0;
	if (sk->__sk_common.skc_state == SOCKET_LISTENS)
		note_listening(sk->__sk_common.skc_net.net->net_cookie, sk->__sk_common.skc_num);
	owner = bpf_sk_storage_get(&owners, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (owner && !owner->pid)
		owner_of(task, owner);
	return 0;
}

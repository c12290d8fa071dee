/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which process a socket belongs to, and which ports are listened on. */
#pragma once

#include "table.h"

#define CGROUP_V1 (1ULL << 63) /* a cgroup's number in the v1 hierarchy of pids */

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct owner);
} owners SEC(".maps");

/* Whether many hold a socket: after a fork, a worker of whoever opened it may be the one that serves. */
static __always_inline bool is_shared(struct sock *sk)
{
	struct socket *socket = sk ? FOLLOW(sk, sk_socket) : NULL;
	struct file *file = socket ? FOLLOW(socket, file) : NULL;

	if (!file)
		return false;
	if (bpf_core_field_exists(file->f_ref))
		return FOLLOW(file, f_ref.refcnt.counter) > 0;
	return FOLLOW(file, f_count.counter) > 1;
}

/* The cgroup by its number in v2; where that is the root, in the v1 hierarchy of pids, if there is one:
 * on hosts with both, containers and units are told apart in v1 alone. */
static __always_inline __u64 cgroup_of(struct css_set *set)
{
	struct cgroup *cgroup = set->dfl_cgrp;
	struct cgroup_subsys_state **pids;

	if (cgroup->level || !bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
		return cgroup->kn->id;
	pids = (void *)set + bpf_core_field_offset(struct css_set, subsys) +
	       8 * bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);
	if (!(*pids)->cgroup->root->hierarchy_id)
		return cgroup->kn->id;
	return (*pids)->cgroup->kn->id | CGROUP_V1;
}

/* By BTF pointers, which packet programs may follow in every kernel since
 * 5.11; bpf_get_current_pid_tgid and its like they may call only since 6.10 to 6.16. */
static __always_inline void owner_of(struct task_struct *task, struct owner *owner)
{
	owner->pid = task->tgid;
	owner->uid = task->cred->uid.val;
	owner->cgroup_id = cgroup_of(task->cgroups);
	__builtin_memcpy(owner->comm, task->group_leader->comm, sizeof(owner->comm));
}

static __always_inline void current_owner(struct owner *owner)
{
	owner_of(bpf_get_current_task_btf(), owner);
}

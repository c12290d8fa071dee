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
	struct socket *socket = NULL;
	struct file *file = NULL;
	__s64 holders = 0;

	READ(socket, sk, sk_socket);
	READ(file, socket, file);
	if (!file)
		return false;
	if (bpf_core_field_exists(file->f_ref)) {
		READ(holders, file, f_ref.refcnt.counter);
		return holders > 0;
	}
	READ(holders, file, f_count.counter);
	return holders > 1;
}

/* The cgroup by its number in v2; where that is the root, in the v1 hierarchy of pids, if there is one:
 * on hosts with both, containers and units are told apart in v1 alone. */
static __always_inline __u64 cgroup_of(struct css_set *set)
{
	struct cgroup *cgroup = set->dfl_cgrp, *old = NULL;
	struct cgroup_subsys_state *state = NULL;
	struct cgroup_root *root = NULL;
	struct kernfs_node *node = NULL;
	int hierarchy = 0;
	__u64 id = 0;

	if (cgroup->level || !bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
		return cgroup->kn->id;
	bpf_probe_read_kernel(&state, sizeof(state), (void *)set + bpf_core_field_offset(struct css_set, subsys) +
						     8 * bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id));
	READ(old, state, cgroup);
	READ(root, old, root);
	READ(hierarchy, root, hierarchy_id);
	if (!hierarchy)
		return cgroup->kn->id;
	READ(node, old, kn);
	READ(id, node, id);
	return id | CGROUP_V1;
}

/* By BTF pointers, which packet programs may follow in every kernel since
 * 5.11; bpf_get_current_pid_tgid and its like they may call only since 6.10 to 6.16. */
static __always_inline void owner_of(struct task_struct *task, struct owner *owner)
{
	owner->pid = task->tgid;
	owner->uid = task->cred->uid.val;
	owner->cgroup_id = cgroup_of(task->cgroups);
	bpf_probe_read_kernel_str(owner->comm, sizeof(owner->comm), task->group_leader->comm);
}

static __always_inline void current_owner(struct owner *owner)
{
	owner_of(bpf_get_current_task_btf(), owner);
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which process a socket belongs to, and which ports are listened on. */
#pragma once

#include "table.h"

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct owner);
} owners SEC(".maps");

/* By BTF pointers, which packet programs may follow in every kernel since
 * 5.11; bpf_get_current_pid_tgid and its like they may call only since 6.10 to 6.16. */
static __always_inline void owner_of(struct task_struct *task, struct owner *owner)
{
	owner->pid = task->tgid;
	owner->uid = task->cred->uid.val;
	owner->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	bpf_probe_read_kernel_str(owner->comm, sizeof(owner->comm), task->comm);
}

static __always_inline void current_owner(struct owner *owner)
{
	owner_of(bpf_get_current_task_btf(), owner);
}

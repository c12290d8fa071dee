/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What may be gone when user space looks: which file a process executes, and the paths of cgroups. */
#include "types.h"

#include "owner.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define EXECUTABLES 8192
#define CGROUP_PATHS 2048

/* Plain arrays in which a later one takes the place of an earlier: these programs run in the middle of
 * fork, exec and mkdir, where no lock of a hash map has any business. */
struct executable {
	__u32 pid;
	char path[124]; /* as it was asked for; longer ones are cut */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EXECUTABLES);
	__type(key, __u32); /* the process's number, its lowest bits */
	__type(value, struct executable);
} executables SEC(".maps");

struct cgroup_path {
	__u64 id; /* as in a record */
	char path[248];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CGROUP_PATHS);
	__type(key, __u32); /* the cgroup's number, its lowest bits */
	__type(value, struct cgroup_path);
} cgroup_paths SEC(".maps");

static __always_inline struct executable *executable_of(__u32 pid)
{
	__u32 place = pid & (EXECUTABLES - 1);

	return bpf_map_lookup_elem(&executables, &place);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(rubin_exec, struct task_struct *task, int old_pid, struct linux_binprm *binary)
{
	struct executable *own = executable_of(task->tgid);

	if (!own)
		return 0;
	own->pid = 0;
	bpf_probe_read_kernel_str(own->path, sizeof(own->path), binary->interp);
	own->pid = task->tgid;
	return 0;
}

/* A new process executes what its parent does, and is not what had its number before. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(rubin_fork, struct task_struct *parent, struct task_struct *child)
{
	struct executable *from = executable_of(parent->tgid), *own = executable_of(child->tgid);

	if (child->pid != child->tgid || !from || !own || from == own)
		return 0;
	own->pid = 0;
	if (from->pid != parent->tgid)
		return 0;
	__builtin_memcpy(own->path, from->path, sizeof(own->path));
	own->pid = child->tgid;
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(rubin_cgroup, struct cgroup *cgroup, const char *path)
{
	__u64 id = cgroup->kn->id;
	__u32 place = id & (CGROUP_PATHS - 1);
	struct cgroup_path *own = bpf_map_lookup_elem(&cgroup_paths, &place);

	if (!own)
		return 0;
	if (cgroup->root->hierarchy_id) {
		if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id) ||
		    !(cgroup->root->subsys_mask & 1U << bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id)))
			return 0;
		id |= CGROUP_V1;
	}
	own->id = 0;
	bpf_probe_read_kernel_str(own->path, sizeof(own->path), path);
	own->id = id;
	return 0;
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What may be gone when user space looks: which file a process executes, and the paths of cgroups. */
#include "types.h"

#include "owner.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct executable {
	char path[128]; /* as it was asked for; longer ones are cut */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32); /* process */
	__type(value, struct executable);
} executables SEC(".maps");

struct cgroup_path {
	char path[256];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* as in a record */
	__type(value, struct cgroup_path);
} cgroup_paths SEC(".maps");

/* Too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cgroup_path);
} scratch SEC(".maps");

SEC("tp_btf/sched_process_exec")
int BPF_PROG(rubin_exec, struct task_struct *task, int old_pid, struct linux_binprm *binary)
{
	__u32 pid = task->tgid, zero = 0;
	void *room = bpf_map_lookup_elem(&scratch, &zero);

	if (!room)
		return 0;
	__builtin_memset(room, 0, sizeof(struct executable));
	bpf_probe_read_kernel_str(room, sizeof(struct executable), binary->interp);
	bpf_map_update_elem(&executables, &pid, room, BPF_ANY);
	return 0;
}

/* A new process executes what its parent does, and is not what had its number before. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(rubin_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 from = parent->tgid, pid = child->tgid;
	struct executable *executable;

	if (child->pid != child->tgid)
		return 0;
	executable = bpf_map_lookup_elem(&executables, &from);
	if (executable)
		bpf_map_update_elem(&executables, &pid, executable, BPF_ANY);
	else
		bpf_map_delete_elem(&executables, &pid);
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(rubin_cgroup, struct cgroup *cgroup, const char *path)
{
	__u64 id = cgroup->kn->id;
	__u32 zero = 0;
	void *room = bpf_map_lookup_elem(&scratch, &zero);

	if (!room)
		return 0;
	if (cgroup->root->hierarchy_id) {
		if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id) ||
		    !(cgroup->root->subsys_mask & 1U << bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id)))
			return 0;
		id |= CGROUP_V1;
	}
	__builtin_memset(room, 0, sizeof(struct cgroup_path));
	bpf_probe_read_kernel_str(room, sizeof(struct cgroup_path), path);
	bpf_map_update_elem(&cgroup_paths, &id, room, BPF_ANY);
	return 0;
}

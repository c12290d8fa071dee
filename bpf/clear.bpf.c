/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What programs say over TLS, where they hand it to the library and where it gives it to them.
 *
 * Nothing here knows how a library's objects look. Which connection an object speaks on is found from what its
 * thread does at sockets: an operation *inside* a call tells it. Who moves the bytes himself ("memory BIO": node,
 * asyncio) receives first and then calls: the thread's last receive belongs to the object of the next call, once,
 * until that object speaks. A write tells nothing there: what it makes is sent later. What cannot be told is
 * counted, never guessed.
 *
 * User space attaches the programs at functions (uprobe_multi): those that read or write with a cookie each. */
#include "types.h"

#include <linux/ptrace.h>

#include "slots.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum cookie { /* where a function leaves how much was read or written, kernel/openssl.py has the same */
	RETURNED = 0, /* it returns the number, or what is not positive */
	FOURTH = 1, /* its fourth argument points to it, if it returns what is positive */
	FIFTH = 2,
	WRITES = 4, /* a bit: what is said, not heard */
};

#define CALLS 4 /* of one thread inside each other: TLS through a proxy that speaks TLS */
#define OBJECTS 16384
#define MSG_PEEK 2
#define NO_CONNECTION 2 /* in place of a tag: TLS over something else than TCP; tags are odd */

/* Clear bytes are a conversation of their own beside the encrypted ones of the same connection. This bit of
 * the tag tells the two apart, and says nothing to `admitted`: either both are listened to or none. */
#define CLEAR_TAG (1ULL << 63)

struct call {
	__u64 object;
	__u64 buffer;
	__u64 done; /* where the length will be */
	__u64 stack; /* by which its return is known */
	__u64 began_ns;
	__u64 tag; /* of the socket that it used, 0: none so far */
	__u32 cookie;
	__u32 length; /* RETURNED: at most so much */
	__u32 told; /* it has a link from what its thread has received before it */
	__u32 pad;
};

struct thread { /* one that has called a TLS library */
	__u64 received; /* tag of its last receive, if no call has come since */
	__u32 depth;
	__u32 is_go; /* it has used Go's crypto/tls as well */
	struct call calls[CALLS];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

enum object_state {
	FROM_FIRST = 1, /* nothing was said before we saw it */
	SPEAKS = 2, /* bytes were moved: a receive says no more whose it is */
	WAITS = 4, /* a write could not be: it waits for something to be received */
};

struct object_key {
	__u64 address;
	__u32 process;
	__u32 pad;
};

struct object {
	__u64 tag; /* 0: not known */
	__u32 said[2]; /* bytes so far, by direction */
	__u32 state;
	__u32 answered; /* Go: bytes said when it last heard something */
	__u64 single; /* Go: what is behind the one byte of a message that was read alone */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, OBJECTS);
	__type(key, struct object_key);
	__type(value, struct object);
} objects SEC(".maps");

static __always_inline struct thread *this_thread(void)
{
	return bpf_task_storage_get(&threads, bpf_get_current_task_btf(), NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

/* Of a process's first thread: it uses Go's crypto/tls. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} go_processes SEC(".maps");

/* NULL: nothing is kept with this thread, as with most; one load tells where a lookup is a call. */
static __always_inline struct thread *followed_thread(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return task->bpf_storage ? bpf_task_storage_get(&threads, task, NULL, 0) : NULL;
}

static __always_inline bool is_go_process(void)
{
	return bpf_task_storage_get(&go_processes, bpf_get_current_task_btf()->group_leader, NULL, 0);
}

/* A connection begins: what its thread receives from now on is noted. */
static __always_inline struct thread *beginning_thread(void)
{
	struct thread *thread = this_thread();

	if (thread)
		thread->is_go = is_go_process();
	return thread;
}

static __always_inline struct object_key key_of(__u64 address)
{
	struct object_key key = { .address = address, .process = bpf_get_current_pid_tgid() >> 32 };

	return key;
}

static __always_inline struct object *object_of(__u64 address, __u32 state)
{
	struct object_key key = key_of(address);
	struct object *object = bpf_map_lookup_elem(&objects, &key), new = { .state = state };

	if (object)
		return object;
	bpf_map_update_elem(&objects, &key, &new, BPF_NOEXIST);
	return bpf_map_lookup_elem(&objects, &key);
}

/* Another connection is another conversation: the object was used again. */
static __always_inline void link_to(struct object *object, __u64 tag)
{
	if (object->tag && object->tag != tag && object->said[IN] | object->said[OUT]) {
		object->said[IN] = object->said[OUT] = 0;
		object->state = 0;
	}
	object->tag = tag;
}

/* An object begins (again): SSL_set_connect_state, SSL_set_accept_state. */
SEC("uprobe")
int BPF_KPROBE(rubin_clear_begin, void *address)
{
	struct object_key key = key_of((__u64)address);
	struct object new = { .state = FROM_FIRST };

	beginning_thread();
	bpf_map_update_elem(&objects, &key, &new, BPF_ANY);
	return 0;
}

/* The thread's last receive is what this object is about to be given, if it is not known to speak elsewhere. */
static __always_inline bool link_received(struct thread *thread, struct object *object)
{
	__u64 tag = thread->received;

	thread->received = 0;
	if (!tag || !object || object->state & SPEAKS)
		return false;
	link_to(object, tag);
	return true;
}

/* SSL_do_handshake: mostly before anything was said. Where it was not, perhaps in a new life of the object. */
SEC("uprobe")
int BPF_KPROBE(rubin_clear_handshake, void *address)
{
	struct object *object = object_of((__u64)address, FROM_FIRST);
	struct thread *thread = beginning_thread();

	if (!object || !thread)
		return 0;
	object->state &= ~(SPEAKS | WAITS);
	link_received(thread, object);
	return 0;
}

/* A function that reads or writes begins: object, buffer, number of bytes and, in some, where the length shall be. */
SEC("uprobe")
int rubin_clear_call(struct pt_regs *ctx)
{
	__u64 stack = PT_REGS_SP(ctx), fourth = PT_REGS_PARM4(ctx), fifth = PT_REGS_PARM5(ctx);
	struct thread *thread = this_thread();
	struct call *call;
	__u32 depth, cookie;

	barrier_var(fourth); /* or the compiler chooses between their places, which the verifier refuses */
	barrier_var(fifth);
	if (!thread)
		return 0;
	depth = thread->depth;
	for (int i = 0; i < CALLS; i++) { /* those that were left without a return */
		if (!depth || thread->calls[(depth - 1) & (CALLS - 1)].stack > stack)
			break;
		depth--;
	}
	/* One function of a library may call another that is attached to as well: the outer tells. But node writes
	 * when a handshake is done, in the middle of a read. */
	cookie = bpf_get_attach_cookie(ctx);
	call = &thread->calls[(depth - 1) & (CALLS - 1)];
	if (depth >= CALLS || (depth && call->object == PT_REGS_PARM1(ctx) && !((call->cookie ^ cookie) & WRITES)))
		return 0;
	call = &thread->calls[depth & (CALLS - 1)];
	thread->depth = depth + 1;
	call->object = PT_REGS_PARM1(ctx);
	call->buffer = PT_REGS_PARM2(ctx);
	call->length = PT_REGS_PARM3(ctx);
	call->cookie = cookie;
	call->done = cookie & FIFTH ? fifth : fourth;
	call->stack = stack;
	call->tag = 0;
	call->told = 0;
	call->began_ns = cookie & WRITES ? bpf_ktime_get_ns() : 0;
	if (thread->received) {
		struct object *object = object_of(call->object, 0);

		if (!(cookie & WRITES) || (object && object->state & WAITS))
			call->told = link_received(thread, object);
		thread->received = 0;
	}
	return 0;
}

static __always_inline bool take_clear(const struct call *call, const struct object *object, struct entry *entry,
				       struct details *details, __u32 index, __u32 length, __u32 offset)
{
	const int direction = call->cookie & WRITES ? OUT : IN;
	struct payload_slot *slot;
	struct payload_record *r;
	__u32 captured, state;
	__u64 turn;

	slot = reserve_payload(&turn);
	if (!slot) {
		lose(LOSS_PAYLOADS, 1, length - offset);
		return false;
	}
	r = &slot->said;
	captured = length - offset;
	barrier_var(captured); /* one register is compared and used, or the verifier does not see that it is bounded */
	if (captured > PAYLOAD_BYTES)
		captured = PAYLOAD_BYTES;
	if (bpf_probe_read_user(r->bytes, captured, (void *)(call->buffer + offset))) {
		discard_payload(slot, turn);
		lose(LOSS_CLEAR, 1, length - offset);
		return false;
	}
	state = entry->state & ~FROM_START;
	if (object->state & FROM_FIRST)
		state |= FROM_START;
	fill_payload(r, details, state, direction);
	if (!r->pid) {
		struct owner owner;

		current_owner(&owner);
		r->cgroup_id = owner.cgroup_id;
		r->pid = owner.pid;
		r->uid = owner.uid;
		__builtin_memcpy(r->comm, owner.comm, sizeof(r->comm));
	}
	r->time_ns = direction == OUT ? call->began_ns : bpf_ktime_get_ns();
	r->tag = object->tag ^ CLEAR_TAG;
	r->index = index;
	r->sequence = object->said[direction] - length + offset;
	r->acknowledged = object->said[!direction];
	r->length = length - offset;
	r->captured = captured;
	r->flags |= PAYLOAD_CLEAR | (offset ? PAYLOAD_MORE : 0);
	submit_payload(slot, turn);
	return true;
}

static __always_inline void tell_clear(const struct call *call, struct object *object, __u32 length)
{
	struct details *details;
	struct entry *entry;
	struct talk *talk;
	__u32 index, place, slots;

	if (object->tag == NO_CONNECTION)
		return;
	entry = object->tag ? find(ENTRIES, object->tag, MASK, &index) : NULL;
	details = entry ? bpf_map_lookup_elem(DETAILS, &index) : NULL;
	if (!entry || !details) {
		object->tag = 0;
		object->state &= ~(FROM_FIRST | SPEAKS);
		lose(LOSS_CLEAR, 1, length);
		return;
	}
	if (entry->state & OURS || (details->ifindex == LOOPBACK_INDEX && entry->state & OPENED_LOCALLY))
		return;
	if (is_left_out(object->tag ^ CLEAR_TAG, length))
		return;
	place = index + MASK + 1;
	talk = bpf_map_lookup_elem(&talks, &place);
	if (!talk)
		return;
	slots = slots_for(talk, object->tag ^ CLEAR_TAG, length);
	if (slots == LISTENS_TO_NOTHING)
		return;
	for (__u32 slot = 0; slot < MOST_SLOTS; slot++) {
		if (slot >= slots || slot * PAYLOAD_BYTES >= length ||
		    !take_clear(call, object, entry, details, place, length, slot * PAYLOAD_BYTES))
			break;
	}
}

/* A call is over in which so many bytes were moved. */
static __always_inline void end_call(const struct call *call, __u32 length)
{
	const int direction = call->cookie & WRITES ? OUT : IN;
	struct object *object = object_of(call->object, 0);

	if (!object)
		return;
	if (call->tag)
		link_to(object, call->tag);
	if (!length) {
		if (direction == OUT)
			object->state |= WAITS;
		return;
	}
	object->state = (object->state | SPEAKS) & ~(direction == OUT ? WAITS : 0);
	object->said[direction] += length;
	tell_clear(call, object, length);
}

static __always_inline __u32 length_of(const struct call *call, int returned)
{
	__u64 length = 0;

	if (returned <= 0)
		return 0;
	if (!(call->cookie & (FOURTH | FIFTH)))
		return returned <= call->length ? returned : 0;
	bpf_probe_read_user(&length, sizeof(length), (void *)call->done);
	return length <= 0x7fffffff ? length : 0;
}

SEC("uretprobe")
int rubin_clear_return(struct pt_regs *ctx)
{
	struct thread *thread = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), NULL, 0);
	__u64 stack = PT_REGS_SP(ctx) - 8; /* as it was at the call: the return has taken its address */
	struct call *call;
	__u32 depth;

	if (!thread)
		return 0;
	depth = thread->depth;
	for (int i = 0; i < CALLS; i++) {
		if (!depth || thread->calls[(depth - 1) & (CALLS - 1)].stack >= stack)
			break;
		depth--;
	}
	thread->depth = depth;
	if (!depth)
		return 0;
	call = &thread->calls[(depth - 1) & (CALLS - 1)];
	if (call->stack != stack)
		return 0;
	thread->depth = depth - 1;
	end_call(call, length_of(call, PT_REGS_RC(ctx)));
	return 0;
}

/* As tag_of_socket, by loads instead of copies: of a tracepoint's argument the verifier knows what it is. */
static __always_inline __u64 tag_of_used(struct sock *sk)
{
	struct sock_common *common = &sk->__sk_common;
	const __u32 *near = common->skc_v6_rcv_saddr.word, *far = common->skc_v6_daddr.word;
	__u32 ports = pair_of(common->skc_num, bpf_ntohs(common->skc_dport));
	__u64 place;

	if (sk->sk_protocol != IPPROTO_TCP)
		return NO_CONNECTION;
	if (!common->skc_dport)
		return 0;
	place = place_of(FOLLOW(sk, __sk_common.skc_net.net));
	if (common->skc_family == AF_INET6 && (far[0] || far[1] || far[2] != bpf_htonl(0xffff))) {
		__u32 local[4] = { near[0], near[1], near[2], near[3] }, remote[4] = { far[0], far[1], far[2], far[3] };

		return tag_v6(local, remote, ports, IPPROTO_TCP, place);
	}
	if (common->skc_family != AF_INET && common->skc_family != AF_INET6)
		return NO_CONNECTION;
	return tag_v4(common->skc_rcv_saddr, common->skc_daddr, ports, IPPROTO_TCP, place);
}

#include "clear_go.h"

/* A socket is used by a thread. A read receives first, whatever it sends, and a write may do both: but where bytes
 * are moved from outside, what a callback out of the library sends says nothing. */
static __always_inline int operate(struct thread *thread, struct sock *sk, bool receives, bool heard)
{
	struct call *call;
	__u64 tag;

	if (thread->depth) {
		call = &thread->calls[(thread->depth - 1) & (CALLS - 1)];
		if (!call->tag && (receives || (call->cookie & WRITES && !call->told)))
			call->tag = tag_of_used(sk);
		return 0;
	}
	tag = heard ? tag_of_used(sk) : 0;
	if (tag && tag != NO_CONNECTION)
		thread->received = tag;
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(rubin_clear_sent, struct sock *sk, int length, int flags)
{
	struct thread *thread = followed_thread();

	return thread ? operate(thread, sk, false, false) : 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(rubin_clear_received, struct sock *sk, int length, int flags)
{
	struct thread *thread = followed_thread();

	if ((!thread || thread->is_go) && bpf_get_current_task_btf()->group_leader->bpf_storage && is_go_process())
		go_receive(sk);
	return thread ? operate(thread, sk, true, length > 0 && !(flags & MSG_PEEK)) : 0;
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Go's crypto/tls, attached to by kernel/golang.py, of clear.bpf.c a part.
 *
 * Goroutines change threads and their stacks move, so what is open is kept by goroutine (R14), and a place on its
 * stack is known by its distance from the stack's upper end, which a move leaves as it is (runtime.copystack).
 * A connection's socket is the one that its goroutine receives from between the beginning and the end of its
 * handshake, or of a read that found bytes. A read or handshake that ends otherwise has no end here: what it
 * left open is never closed, for whoever closes the same place of the stack has opened it before. */
#pragma once

enum go_place { /* kernel/golang.py has the same */
	GO_HANDSHAKE, /* the call of clientHandshake or serverHandshake: AX is the connection */
	GO_SHAKEN, /* the instruction behind it, the stack as at the call */
	GO_READ, /* (*Conn).Read before it has touched its stack: AX is the connection */
	GO_HEARD, /* its call of memmove with what was decrypted: BX says where that is, CX its size */
	GO_SAID, /* the call of writeRecordLocked out of (*Conn).Write: AX connection, CX bytes, DI their number */
};

#define GOROUTINES 16384
#define WINDOWS 4 /* a handshake inside a read, and the same once more in a connection below */
#define SEVERAL 4 /* in place of a tag: it has received from more than one socket */

struct goroutine_key {
	__u64 g; /* runtime.g */
	__u32 process;
	__u32 pad;
};

struct window {
	__u64 connection;
	__u64 stack;
	__u64 tag; /* of the socket that was received from inside, 0: none so far */
};

struct goroutine {
	__u32 depth;
	__u32 pad;
	struct window windows[WINDOWS];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, GOROUTINES);
	__type(key, struct goroutine_key);
	__type(value, struct goroutine);
} goroutines SEC(".maps");

static __always_inline struct goroutine_key goroutine_key(__u64 g)
{
	struct goroutine_key key = { .g = g, .process = bpf_get_current_pid_tgid() >> 32 };

	return key;
}

/* A place on the goroutine's stack, which grows down: more is further out. 0: not to be known. */
static __always_inline __u64 go_stack(__u64 g, __u64 place)
{
	__u64 upper_end; /* g.stack.hi */

	if (bpf_probe_read_user(&upper_end, sizeof(upper_end), (void *)(g + 8)))
		return 0;
	return place - upper_end;
}

static __always_inline void go_open(__u64 g, __u64 stack, __u64 connection)
{
	struct goroutine_key key = goroutine_key(g);
	struct goroutine *goroutine = bpf_map_lookup_elem(&goroutines, &key), none = {};
	struct window *window;
	__u32 depth;

	if (!goroutine) {
		bpf_map_update_elem(&goroutines, &key, &none, BPF_NOEXIST);
		goroutine = bpf_map_lookup_elem(&goroutines, &key);
	}
	if (!goroutine || !stack)
		return;
	bpf_task_storage_get(&go_processes, bpf_get_current_task_btf()->group_leader, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	depth = goroutine->depth;
	for (int i = 0; i < WINDOWS; i++) {
		if (!depth || goroutine->windows[(depth - 1) & (WINDOWS - 1)].stack > stack)
			break;
		depth--;
	}
	if (depth >= WINDOWS) /* more than really can be: they were left */
		depth = 0;
	window = &goroutine->windows[depth & (WINDOWS - 1)];
	window->connection = connection;
	window->stack = stack;
	window->tag = 0;
	goroutine->depth = depth + 1;
}

/* The window that was opened at this place of the stack, which is closed now; NULL: it is not known. */
static __always_inline struct window *go_close(__u64 g, __u64 stack)
{
	struct goroutine_key key = goroutine_key(g);
	struct goroutine *goroutine = bpf_map_lookup_elem(&goroutines, &key);
	struct window *window;
	__u32 depth;

	if (!goroutine || !stack)
		return NULL;
	depth = goroutine->depth;
	for (int i = 0; i < WINDOWS; i++) {
		if (!depth || goroutine->windows[(depth - 1) & (WINDOWS - 1)].stack >= stack)
			break;
		depth--;
	}
	goroutine->depth = depth;
	if (!depth)
		return NULL;
	window = &goroutine->windows[(depth - 1) & (WINDOWS - 1)];
	if (window->stack != stack)
		return NULL;
	goroutine->depth = depth - 1;
	return window;
}

static __always_inline struct object *go_link(const struct window *window)
{
	struct object *object = object_of(window->connection, 0);

	if (object && window->tag && window->tag != SEVERAL)
		link_to(object, window->tag);
	return object;
}

static __always_inline void go_tell(struct object *object, __u32 cookie, __u64 bytes, __u64 length)
{
	struct call call = { .buffer = bytes, .cookie = cookie };

	if (!length || length > 0x7fffffff)
		return;
	call.began_ns = cookie & WRITES ? bpf_ktime_get_ns() : 0;
	if (!object) {
		lose(LOSS_CLEAR, 1, length);
		return;
	}
	object->said[cookie & WRITES ? OUT : IN] += length;
	tell_clear(&call, object, length);
}

/* net/http waits for the next request by reading one byte. It is told with what follows, which lies behind it. */
static __always_inline void go_hear(struct object *object, __u64 bytes, __u64 length)
{
	bool follows = object && object->single == bytes;

	if (object && !object->single && length == 1 && object->answered != object->said[OUT]) {
		object->single = bytes + 1;
		return;
	}
	if (object && object->single && !follows) {
		object->said[IN]++;
		lose(LOSS_CLEAR, 1, 1);
	}
	go_tell(object, 0, bytes - follows, length + follows);
	if (object) {
		object->single = 0;
		object->answered = object->said[OUT];
	}
}

SEC("uprobe")
int rubin_clear_go(struct pt_regs *ctx)
{
	__u64 g = ctx->r14, connection = ctx->rax;
	struct object new = { .state = FROM_FIRST };
	struct object_key key = key_of(connection);
	struct window *window;
	struct thread *thread;

	switch (bpf_get_attach_cookie(ctx)) {
	case GO_HANDSHAKE:
		bpf_map_update_elem(&objects, &key, &new, BPF_ANY);
		go_open(g, go_stack(g, ctx->rsp), connection);
		thread = followed_thread(); /* that of a library, too */
		if (thread)
			thread->is_go = true;
		break;
	case GO_SHAKEN:
		window = go_close(g, go_stack(g, ctx->rsp));
		if (window)
			go_link(window);
		break;
	case GO_READ:
		go_open(g, go_stack(g, ctx->rsp), connection);
		break;
	case GO_HEARD: /* the frame pointer is saved below the return address, where Read began */
		window = go_close(g, go_stack(g, ctx->rbp + 8));
		go_hear(window ? go_link(window) : NULL, ctx->rbx, ctx->rcx);
		break;
	case GO_SAID:
		go_tell(object_of(connection, 0), WRITES, ctx->rcx, ctx->rdi);
		break;
	}
	return 0;
}

/* A thread receives: for whatever its goroutine has open. */
static __always_inline void go_receive(struct sock *sk)
{
	struct goroutine_key key;
	struct goroutine *goroutine;
	struct pt_regs *regs;
	struct window *window;
	__u64 tag;

	regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	key = goroutine_key(regs->r14);
	goroutine = bpf_map_lookup_elem(&goroutines, &key);
	if (!goroutine || !goroutine->depth)
		return;
	window = &goroutine->windows[(goroutine->depth - 1) & (WINDOWS - 1)];
	tag = tag_of_used(sk);
	if (!window->tag)
		window->tag = tag;
	else if (window->tag != tag)
		window->tag = SEVERAL;
}

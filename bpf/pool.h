/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* How an entry of the table is found, drawn from the pool and put back. Needs a vantage. */
#pragma once

#include "table.h"

#define FRONT_MASK (MASK / 64 < FRONT ? MASK / 64 : FRONT - 1)
#define BACK_MASK (MASK / 8)

static __always_inline struct set *set_of(__u64 tag, bool is_behind)
{
	__u32 hash = tag >> 32, place = is_behind ? FRONT_MASK + 1 + (hash & BACK_MASK) : hash & FRONT_MASK;

	return bpf_map_lookup_elem(SETS, &place);
}

static __always_inline __u64 place_of(__u64 tag, __u32 index)
{
	return tag << 32 | index;
}

/* The entry of a tag in one of its sets. */
static __always_inline struct entry *find_in(const struct set *set, __u64 tag, __u32 *index)
{
	for (__u32 way = 0; way < WAYS; way++) {
		__u64 place = set->places[way];
		__u32 slot = place;
		struct entry *entry;

		if (place >> 32 != (__u32)tag)
			continue;
		entry = bpf_map_lookup_elem(ENTRIES, &slot);
		if (entry && entry->tag == tag) {
			*index = slot;
			return entry;
		}
	}
	return NULL;
}

/* Whether there is one behind; functions like this one are verified once and not in each place. */
__noinline int find_behind(__u64 tag, __u32 *index)
{
	struct set *set = set_of(tag, true);

	return index && set && find_in(set, tag, index);
}

/* The entry of a tag; *index says which, 0 where there is none. */
static __always_inline struct entry *find(__u64 tag, __u32 *index)
{
	struct set *set = set_of(tag, false);
	struct entry *entry;

	*index = 0;
	if (!set)
		return NULL;
	entry = find_in(set, tag, index);
	if (entry || !set->elsewhere || !find_behind(tag, index))
		return entry;
	return bpf_map_lookup_elem(ENTRIES, index);
}

/* Counts one more, or one less, of a tag's that is not in front. */
static __always_inline void move_behind(__u64 tag, __s64 change)
{
	struct set *front = set_of(tag, false);

	if (front)
		__sync_fetch_and_add(&front->elsewhere, change);
}

static __always_inline struct pool *pool(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(POOL, &only);
}

/* A free entry, BUSY in our name: the one freed last; false: there is none. */
static __always_inline bool draw(__u32 *index)
{
	struct pool *of = pool();
	struct entry *entry;
	__u64 freed;
	__u32 slot;

	if (!of)
		return false;
	for (int try = 0; try < TRIES; try++) {
		freed = *(volatile __u64 *)&of->freed;
		if (!(__u32)freed)
			break;
		slot = (__u32)freed - 1;
		entry = bpf_map_lookup_elem(ENTRIES, &slot);
		if (!entry)
			return false;
		if (__sync_val_compare_and_swap(&of->freed, freed, ((freed >> 32) + 1) << 32 | entry->next) == freed) {
			entry->tag = BUSY;
			*index = slot;
			return true;
		}
	}
	if (of->fresh > MASK)
		return false;
	slot = __sync_fetch_and_add(&of->fresh, 1);
	entry = bpf_map_lookup_elem(ENTRIES, &slot);
	if (!entry)
		return false; /* another processor has drawn the last one meanwhile */
	entry->tag = BUSY;
	*index = slot;
	return true;
}

/* A BUSY entry goes into the pool; where others are quicker each time, with the next sweep. */
__noinline int put_back(__u32 index)
{
	struct entry *entry = bpf_map_lookup_elem(ENTRIES, &index);
	struct pool *of = pool();
	__u64 freed;

	if (!entry || !of)
		return false;
	entry->tag = 0;
	for (int try = 0; try < TRIES; try++) {
		freed = *(volatile __u64 *)&of->freed;
		entry->next = freed;
		if (__sync_val_compare_and_swap(&of->freed, freed, ((freed >> 32) + 1) << 32 | (index + 1)) == freed)
			return true;
	}
	__sync_lock_test_and_set(&entry->tag, STRAY);
	return false;
}

/* A place for a tag's entry, in front if there is room; false: both sets are full, or somebody else was quicker. */
static __always_inline bool settle(__u64 tag, __u32 index)
{
	for (int behind = 0; behind < 2; behind++) {
		struct set *set = set_of(tag, behind);

		for (__u32 way = 0; set && way < WAYS; way++) {
			if (set->places[way])
				continue;
			if (behind)
				move_behind(tag, 1);
			if (!__sync_val_compare_and_swap(&set->places[way], 0, place_of(tag, index)))
				return true;
			if (behind)
				move_behind(tag, -1);
		}
	}
	return false;
}

static __always_inline bool leave(struct set *set, __u64 place)
{
	for (__u32 way = 0; set && way < WAYS; way++) {
		if (set->places[way] == place) {
			set->places[way] = 0;
			return true;
		}
	}
	return false;
}

/* A BUSY entry that was this tag's is nobody's any more. */
__noinline int forget(__u64 tag, __u32 index)
{
	__u64 place = place_of(tag, index);

	if (!leave(set_of(tag, false), place) && leave(set_of(tag, true), place))
		move_behind(tag, -1);
	return put_back(index);
}

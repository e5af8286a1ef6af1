/* SPDX-License-Identifier: MIT */

/*
 * What the exhaustive search need not do twice.
 *
 * Where a state came from. While nothing is stale, the state of the program follows from which operations its
 * threads have done, and from the order of those that conflict; in what order the others were done leaves no
 * trace. So each thread carries a number that stands for its own past and for all that it has met, each object
 * one for its last write and one for the reads since, and the sum of the threads' numbers stands for the
 * state. A state that was left with as many preemptions to spend before leads to nothing new.
 * Two states with the same 60 bits would be taken for one.
 *
 * What is shared. An operation on an object that no other thread uses, or that nobody changes, can be moved past
 * all of theirs, so there is no need to preempt a thread before it. Which objects are shared is learned by
 * running, some schedules by chance before the search; when it finds one itself it begins anew.
 */

#include "explore.h"
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MIN_STATES = 1 << 16, MAX_STATES = 1 << 26, USED_BITS = 4 };

struct users {
	uint8_t readers, writers; /* a bit for each thread */
	uint8_t since;		  /* the pass that found it to be shared; 0: it is not */
};

/*
 * How each state was reached, and in the low bits how many preemptions that took; and the memory for when they are too
 * many. A table no larger than it has to be is looked up and cleared the faster.
 */
static uint64_t *states, *spare, size;
static struct users *users;
static bool searching; /* nobody else asks for the past */
static uint32_t n_states;
static uint8_t pass;
static bool grew;

static void *zeroed(void *old, size_t bytes)
{
	if (!old) {
		old = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (old == MAP_FAILED) {
			perror("mmap");
			exit(2);
		}
		madvise(old, bytes, MADV_HUGEPAGE);
	} else {
		madvise(old, bytes, MADV_DONTNEED);
	}
	return old;
}

static void begin_pass(void)
{
	states = zeroed(states, MAX_STATES * sizeof(*states));
	size = MIN_STATES;
	n_states = 0;
	grew = false;
}

void past_begin_search(void)
{
	users = zeroed(users, shadow_words() * sizeof(*users));
	pass = 1;
	begin_pass();
}

bool past_grew(void)
{
	bool did = grew;

	grew = false;
	return did;
}

void past_begin_again(void)
{
	if (pass == UINT8_MAX)
		sched_fail("too many passes of one search");
	pass++;
	begin_pass();
}

void past_reset(void)
{
	searching = explore.fresh && explore.strategy == EXHAUSTIVE;
	for (unsigned int i = 0; i < MAX_THREADS; i++)
		fibers[i].past = 0;
}

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 32)) * 0xd6e8feb86659fd93;
	z = (z ^ (z >> 32)) * 0xd6e8feb86659fd93;
	return z ^ (z >> 32);
}

void past_learn(unsigned int fiber, uint64_t what)
{
	if (searching)
		fibers[fiber].past = mix(fibers[fiber].past * 31 + what + 1);
}

void past_read(struct past *object)
{
	if (!searching)
		return;
	past_learn(self, object->wrote);
	object->reads += mix(fibers[self].past);
}

void past_write(struct past *object)
{
	if (!searching)
		return;
	past_learn(self, mix(object->wrote) + object->reads);
	object->wrote = fibers[self].past;
	object->reads = 0;
}

static uint64_t *find(uint64_t key)
{
	for (uint64_t i = key >> USED_BITS;; i++) {
		uint64_t *slot = &states[i & (size - 1)];

		if (!*slot || (*slot ^ key) >> USED_BITS == 0)
			return slot;
	}
}

static void grow(void)
{
	uint64_t *old = states, n = size;

	states = zeroed(spare, MAX_STATES * sizeof(*states));
	size *= 2;
	for (uint64_t i = 0; i < n; i++)
		if (old[i])
			*find(old[i]) = old[i];
	spare = zeroed(old, MAX_STATES * sizeof(*states));
}

bool past_is_new(unsigned int kind, unsigned int used)
{
	uint64_t key = mix(kind * MAX_THREADS + self + 1), *slot;

	for (unsigned int i = 0; i < n_fibers; i++)
		key += mix(fibers[i].past + i);
	key = mix(key) & ~(uint64_t)((1 << USED_BITS) - 1);
	key += (key == 0) << USED_BITS;
	if (n_states > size / 4 * 3 && size < MAX_STATES)
		grow();
	slot = find(key);
	if (!*slot && n_states > MAX_STATES / 4 * 3)
		return true;
	n_states += !*slot;
	if (*slot && (*slot & ((1 << USED_BITS) - 1)) <= used)
		return false;
	*slot = key | used;
	return true;
}

bool past_shared(uintptr_t address, bool write)
{
	size_t word = shadow_number(address);
	struct users *u = &users[word];

	if (!word)
		return true;
	if (write)
		u->writers |= (uint8_t)(1u << self);
	else
		u->readers |= (uint8_t)(1u << self);
	if (!u->since && u->writers && __builtin_popcount(u->readers | u->writers) > 1) {
		u->since = pass;
		grew = true;
	}
	return u->since && u->since < pass;
}

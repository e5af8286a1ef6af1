/* SPDX-License-Identifier: MIT */

#include "window.h"

#include <errno.h>
#include <stdlib.h>

/*
 * The state of a slot names the lap that it is about, so a late or repeated pd_window_done() can not touch
 * the task of another one: not before 2^30 laps have passed.
 */
enum { OPEN = 0, DONE = 1, TOKEN = 2, STATE_BITS = 2 };

static uint32_t state_of(const struct pd_window *w, uint64_t seq, unsigned int state)
{
	return (uint32_t)(seq >> w->shift) << STATE_BITS | state;
}

static atomic_uintptr_t *task_at(const struct pd_window *w, uint64_t seq)
{
	return &w->tasks[seq & w->mask];
}

static _Atomic uint32_t *state_at(const struct pd_window *w, uint64_t seq)
{
	return &w->states[seq & w->mask];
}

/*
 * One bit of the lap is enough to tell a task from the one that was in its slot before: a claimer looks
 * at seq only after everything below was claimed, the previous lap's included.
 */
static uintptr_t lap_of(const struct pd_window *w, uint64_t seq)
{
	return (seq >> w->shift) & 1;
}

static size_t whole_lines(size_t size)
{
	return (size + PD_CACHE_LINE - 1) / PD_CACHE_LINE * PD_CACHE_LINE;
}

/* Slots for at least size tasks, for the lap of first. */
static int make_slots(struct pd_window *w, unsigned int size, uint64_t first)
{
	unsigned int shift = 1; /* two slots at least, for pd_window_skip() */
	size_t tasks, states, tags;
	char *slots;

	while ((uint64_t)1 << shift < size)
		shift++;
	tasks = whole_lines(sizeof(*w->tasks) << shift);
	states = whole_lines(sizeof(*w->states) << shift);
	tags = whole_lines(sizeof(*w->tags) << shift);
	slots = aligned_alloc(PD_CACHE_LINE, tasks + states + tags);
	if (!slots)
		return -ENOMEM;
	w->tasks = (void *)slots;
	w->states = (void *)(slots + tasks);
	w->tags = (void *)(slots + tasks + states);
	w->mask = ((uint64_t)1 << shift) - 1;
	w->shift = shift;
	for (uint64_t seq = first; seq <= first + w->mask; seq++) {
		atomic_init(task_at(w, seq), lap_of(w, seq) ^ 1);
		atomic_init(state_at(w, seq), state_of(w, seq, seq == first ? TOKEN : OPEN));
	}
	return 0;
}

int pd_window_init(struct pd_window *w, unsigned int size, uint64_t first)
{
	int error = make_slots(w, size, first);

	if (error)
		return error;
	atomic_init(&w->gate, first << PD_GATE_SHIFT | PD_GATE_STOPPED);
	atomic_init(&w->limit, first + size);
	atomic_init(&w->claimed, first);
	atomic_init(&w->taken, first);
	atomic_init(&w->kept, NULL);
	return 0;
}

int pd_window_resize(struct pd_window *w, unsigned int size)
{
	void *old = w->tasks;
	uint64_t next = pd_window_next(w);
	int error = make_slots(w, size, next);

	if (error)
		return error;
	free(old);
	/* Relaxed: whoever opens the gate releases it. */
	atomic_store_explicit(&w->limit, next + size, memory_order_relaxed);
	return 0;
}

void pd_window_destroy(struct pd_window *w)
{
	free(w->tasks);
}

enum pd_reserve pd_window_reserve(struct pd_window *w, uint64_t gate, uint64_t *seq, unsigned int *n)
{
	uint64_t next = gate >> PD_GATE_SHIFT, limit;

	if (gate & PD_GATE_STOPPED)
		return PD_STOPPED;
	if (gate & PD_GATE_CHANGING)
		return PD_CHANGING;
	/*
	 * Acquire: pairs with the release in pd_window_allow(). The slots' earlier tasks have been taken and
	 * completed by then; without it our writes to a slot could be overtaken by its taker's.
	 */
	limit = atomic_load_explicit(&w->limit, memory_order_acquire);
	if (next >= limit)
		return PD_FULL;
	if (limit - next < *n)
		*n = (unsigned int)(limit - next);
	*seq = next;
	/* Relaxed: who waits for the task acquires what its producer released by publishing it. */
	if (!atomic_compare_exchange_strong_explicit(&w->gate, &gate, (next + *n) << PD_GATE_SHIFT,
						     memory_order_relaxed, memory_order_relaxed))
		return PD_AGAIN;
	return PD_RESERVED;
}

void pd_window_publish(struct pd_window *w, uint64_t seq, void *task, uint16_t tag)
{
	pd_prefetch_write((const void *)task_at(w, seq + 2 * PD_TASKS_PER_LINE));
	w->tags[seq & w->mask] = tag;
	/* Release: pairs with the acquire in published(); without it parallel() might see the task unfilled.
	 */
	atomic_store_explicit(task_at(w, seq), (uintptr_t)task | lap_of(w, seq), memory_order_release);
}

void pd_window_allow(struct pd_window *w, uint64_t limit)
{
	uint64_t old = atomic_load_explicit(&w->limit, memory_order_relaxed);

	while (old < limit) {
		/* Release: pairs with the acquire in pd_window_reserve(), see there. */
		if (atomic_compare_exchange_weak_explicit(&w->limit, &old, limit, memory_order_release,
							  memory_order_relaxed))
			break;
	}
}

static bool published(const struct pd_window *w, uint64_t seq)
{
	/* Relaxed: who goes on to the task acquires it in pd_window_task(), which can see no older value. */
	return (atomic_load_explicit(task_at(w, seq), memory_order_relaxed) & 1) == lap_of(w, seq);
}

unsigned int pd_window_claim(struct pd_window *w, unsigned int max, unsigned int claimers, uint64_t *first)
{
	/*
	 * Acquire, here and below: pairs with the release on success; without it we could see the number that
	 * another claimer left and yet, in the slot, a task of two laps ago, which looks like a new one.
	 */
	uint64_t next = atomic_load_explicit(&w->claimed, memory_order_acquire);
	unsigned int n;

	do {
		for (n = 0; n < max && published(w, next + n); n++)
			;
		if (n == 0)
			return 0;
		if (n < max)
			n = (n + claimers - 1) / claimers;
		/* Up to the end of a cache line, so that two CPUs do not mark tasks in one. */
		if (n > PD_STATES_PER_LINE)
			n -= (next + n) % PD_STATES_PER_LINE;
	} while (!atomic_compare_exchange_weak_explicit(&w->claimed, &next, next + n, memory_order_release,
							memory_order_acquire));
	*first = next;
	return n;
}

bool pd_window_claim_own(struct pd_window *w, uint64_t seq, unsigned int n)
{
	/* Release: the next claimer sees our tasks, and by the release sequence what the last one saw. */
	return atomic_compare_exchange_strong_explicit(&w->claimed, &seq, seq + n, memory_order_release,
						       memory_order_relaxed);
}

bool pd_window_claimable(const struct pd_window *w)
{
	/* Relaxed: ordered by the caller's barrier. */
	return published(w, atomic_load_explicit(&w->claimed, memory_order_relaxed));
}

void *pd_window_task(const struct pd_window *w, uint64_t seq)
{
	/*
	 * Acquire: pairs with the release in pd_window_publish(), for who took the number over from
	 * its claimer.
	 */
	return (void *)(atomic_load_explicit(task_at(w, seq), memory_order_acquire) & ~(uintptr_t)1);
}

enum pd_done pd_window_done(struct pd_window *w, uint64_t seq)
{
	_Atomic uint32_t *state = state_at(w, seq);
	uint32_t old = atomic_load_explicit(state, memory_order_relaxed);

	/*
	 * Release: pairs with the acquire in pd_window_take(): what was written before padata_do_serial() is
	 * seen in serial().
	 */
	if (old == state_of(w, seq, OPEN) &&
	    atomic_compare_exchange_strong_explicit(state, &old, state_of(w, seq, DONE), memory_order_release,
						    memory_order_relaxed))
		return PD_DONE;
	/*
	 * Acquire: pairs with the release in pd_window_park(); without it the new holder might deliver ahead
	 * of the last one. The next lap comes here as after pd_window_take().
	 */
	if (old == state_of(w, seq, TOKEN) &&
	    atomic_compare_exchange_strong_explicit(state, &old, state_of(w, seq + w->mask + 1, OPEN),
						    memory_order_acquire, memory_order_relaxed))
		return PD_TOKEN;
	return PD_TWICE;
}

void *pd_window_take(struct pd_window *w, uint64_t seq, uint16_t *tag)
{
	_Atomic uint32_t *state = state_at(w, seq);
	void *task;

	/* Acquire: pairs with the release in pd_window_done(), see there. */
	if (atomic_load_explicit(state, memory_order_acquire) != state_of(w, seq, DONE))
		return NULL;
	task = (void *)(atomic_load_explicit(task_at(w, seq), memory_order_relaxed) & ~(uintptr_t)1);
	*tag = w->tags[seq & w->mask];
	/* Relaxed: the next lap comes here only after this task has completed and room was made for another.
	 */
	atomic_store_explicit(state, state_of(w, seq + w->mask + 1, OPEN), memory_order_relaxed);
	return task;
}

void pd_window_taken(struct pd_window *w, uint64_t seq)
{
	/*
	 * Release: pairs with the acquire of who waits until all below seq is delivered, and then
	 * looks at the lanes.
	 */
	atomic_store_explicit(&w->taken, seq, memory_order_release);
}

bool pd_window_park(struct pd_window *w, uint64_t seq)
{
	uint32_t old = state_of(w, seq, OPEN);

	/* Release: pairs with the acquire in pd_window_done(), see there. */
	return atomic_compare_exchange_strong_explicit(state_at(w, seq), &old, state_of(w, seq, TOKEN),
						       memory_order_release, memory_order_relaxed);
}

void pd_window_skip(struct pd_window *w)
{
	uint64_t seq = pd_window_next(w);

	atomic_store_explicit(task_at(w, seq), lap_of(w, seq), memory_order_relaxed);
	atomic_store_explicit(state_at(w, seq), state_of(w, seq + w->mask + 1, OPEN), memory_order_relaxed);
	atomic_store_explicit(state_at(w, seq + 1), state_of(w, seq + 1, TOKEN), memory_order_relaxed);
	atomic_store_explicit(&w->claimed, seq + 1, memory_order_relaxed);
	atomic_store_explicit(&w->taken, seq + 1, memory_order_relaxed);
	/* Relaxed, all: whoever opens the gate releases them. */
	atomic_fetch_add_explicit(&w->gate, (uint64_t)1 << PD_GATE_SHIFT, memory_order_relaxed);
}

/* SPDX-License-Identifier: MIT */

#include "window.h"

#include <errno.h>
#include <stdlib.h>

static size_t whole_lines(size_t size)
{
	return (size + PD_CACHE_LINE - 1) / PD_CACHE_LINE * PD_CACHE_LINE;
}

/* Slots for at least size tasks, for the lap of first. */
static int make_slots(struct pd_window *w, unsigned int size, uint64_t first)
{
	unsigned int shift = 1; /* two slots at least, for pd_window_skip() */
	size_t tasks, states;
	char *slots;

	while ((uint64_t)1 << shift < size)
		shift++;
	tasks = whole_lines(sizeof(*w->tasks) << shift);
	states = whole_lines(sizeof(*w->states) << shift);
	slots = aligned_alloc(PD_CACHE_LINE, tasks + states);
	if (!slots)
		return -ENOMEM;
	w->tasks = (void *)slots;
	w->states = (void *)(slots + tasks);
	w->mask = ((uint64_t)1 << shift) - 1;
	w->shift = shift;
	for (uint64_t seq = first; seq <= first + w->mask; seq++) {
		atomic_init(pd_window_task_at(w, seq), pd_window_lap_bit(w, seq) ^ 1);
		atomic_init(pd_window_state_at(w, seq), pd_window_state_of(w, seq - w->mask - 1, 0));
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
	atomic_init(&w->token, first << 1 | PD_TOKEN_LIES);
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
	 * completed by then; without it the taker of a slot's earlier task could see ours, and a place in a serial
	 * queue be written while it is read.
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
	return (atomic_load_explicit(pd_window_task_at(w, seq), memory_order_relaxed) & 1) ==
	       pd_window_lap_bit(w, seq);
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

/* Where the token lies, if it does so at a task that is done; or 0. */
static uint64_t deliverable(const struct pd_window *w)
{
	/* Relaxed, both: ordered by the caller's barrier. */
	uint64_t token = atomic_load_explicit(&w->token, memory_order_relaxed), seq = token >> 1;
	uint32_t state = atomic_load_explicit(pd_window_state_at(w, seq), memory_order_relaxed);

	return token & PD_TOKEN_LIES && pd_window_is_done(w, seq, state) ? token : 0;
}

bool pd_window_deliverable(const struct pd_window *w)
{
	return deliverable(w) != 0;
}

bool pd_window_pick_up(struct pd_window *w, uint64_t *seq)
{
	uint64_t token = deliverable(w);

	/*
	 * Acquire: pairs with the release in pd_window_park(); without it the new holder might deliver ahead
	 * of the last one.
	 */
	if (!token || !atomic_compare_exchange_strong_explicit(&w->token, &token, 0, memory_order_acquire,
							       memory_order_relaxed))
		return false;
	*seq = token >> 1;
	return true;
}

bool pd_window_park(struct pd_window *w, uint64_t *seq)
{
	/* Release: pairs with the acquire in pd_window_pick_up(), see there. */
	atomic_store_explicit(&w->token, *seq << 1 | PD_TOKEN_LIES, memory_order_release);
	/* Pairs with the barrier of who has marked a task done: he sees the token, or we see the task. */
	atomic_thread_fence(memory_order_seq_cst);
	return !pd_window_pick_up(w, seq);
}

void pd_window_skip(struct pd_window *w)
{
	uint64_t seq = pd_window_next(w);

	atomic_store_explicit(pd_window_task_at(w, seq), pd_window_lap_bit(w, seq), memory_order_relaxed);
	atomic_store_explicit(pd_window_state_at(w, seq), pd_window_state_of(w, seq, 0),
			      memory_order_relaxed);
	atomic_store_explicit(&w->token, (seq + 1) << 1 | PD_TOKEN_LIES, memory_order_relaxed);
	atomic_store_explicit(&w->claimed, seq + 1, memory_order_relaxed);
	atomic_store_explicit(&w->taken, seq + 1, memory_order_relaxed);
	/* Relaxed, all: whoever opens the gate releases them. */
	atomic_fetch_add_explicit(&w->gate, (uint64_t)1 << PD_GATE_SHIFT, memory_order_relaxed);
}

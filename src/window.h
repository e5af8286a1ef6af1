/* SPDX-License-Identifier: MIT */
#ifndef PD_WINDOW_H
#define PD_WINDOW_H

/*
 * The order. A ring of slots through which each task passes once:
 *
 *   reserve   a producer takes the next sequence number
 *   publish   ... and puts its task into the slot
 *   claim     a worker takes a run of consecutive tasks to begin
 *   done      whoever finishes a task says so
 *   take      the holder of the token takes what is done, strictly in order
 *   park      ... and leaves the token at the first task that is not
 *
 * The token is the right to take. It lies at the oldest task that was not taken; who has finished a task, and
 * sees behind a barrier that the token lies at one that is done, picks it up: so there is always one taker at
 * most, none has to be asked to look again, and no lock is held by a thread that may be preempted for the
 * others to wait for.
 *
 * Nothing here sleeps, allocates (but for init), calls back or knows a CPU.
 * Sequence numbers have 58 bits: 180 years at 20 ns a task.
 */

#include "compiler.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PD_TASKS_PER_LINE (PD_CACHE_LINE / sizeof(atomic_uintptr_t))
#define PD_STATES_PER_LINE (PD_CACHE_LINE / sizeof(_Atomic uint32_t))

/* Flags of the gate, above which the next sequence number stands. */
#define PD_GATE_STOPPED 1u  /* the instance is not started */
#define PD_GATE_CHANGING 2u /* nothing is accepted until the masks have changed */
#define PD_GATE_SHIFT 2

struct pd_window {
	/* Producers. */
	alignas(PD_CACHE_LINE) _Atomic uint64_t gate;
	_Atomic uint64_t limit; /* sequence numbers below it may be reserved */
	/* Read by all. */
	/*
	 * The slots, as one array for each that writes: producers the tasks, finishers the states. So a line
	 * goes from one CPU to another for many tasks at once.
	 */
	alignas(PD_CACHE_LINE) atomic_uintptr_t *tasks; /* and in bit 0 the lap of which it is */
	_Atomic uint32_t *states; /* the lap of the last task that was done << 16 | its tag */
	uint64_t mask;
	unsigned int shift; /* log2 of the number of slots */
	/* Claimers. */
	alignas(PD_CACHE_LINE) _Atomic uint64_t claimed; /* below it all are claimed */
	/* The holder of the token. */
	alignas(PD_CACHE_LINE) _Atomic uint64_t taken; /* below it all have been taken, and delivered */
	_Atomic uint64_t token; /* where it lies, as sequence number << 1 | 1; 0: it is held */
};

enum { PD_TAG_BITS = 16, PD_TOKEN_LIES = 1 };

static inline atomic_uintptr_t *pd_window_task_at(const struct pd_window *w, uint64_t seq)
{
	return &w->tasks[seq & w->mask];
}

static inline _Atomic uint32_t *pd_window_state_at(const struct pd_window *w, uint64_t seq)
{
	return &w->states[seq & w->mask];
}

/*
 * One bit of the lap is enough to tell a task from the one that was in its slot before: a claimer looks
 * at seq only after everything below was claimed, the previous lap's included.
 */
static inline uintptr_t pd_window_lap_bit(const struct pd_window *w, uint64_t seq)
{
	return (seq >> w->shift) & 1;
}

/*
 * The state of a slot names the lap of the last task that was done there: nobody has to make it ready for the
 * next one.
 */
static inline uint32_t pd_window_state_of(const struct pd_window *w, uint64_t seq, uint16_t tag)
{
	return (uint32_t)(seq >> w->shift) << PD_TAG_BITS | tag;
}

/* Whether a state of seq's slot says that seq is done. */
static inline bool pd_window_is_done(const struct pd_window *w, uint64_t seq, uint32_t state)
{
	return (uint16_t)(seq >> w->shift) == state >> PD_TAG_BITS;
}

/*
 * size: how many tasks can be between reserve and take, at least 1. first: the first sequence number.
 * The gate is shut (PD_GATE_STOPPED), the limit is first + size. 0 or -ENOMEM.
 */
int pd_window_init(struct pd_window *w, unsigned int size, uint64_t first);
/*
 * Another size, from the next sequence number on. The only caller, with the gate shut and everything
 * completed.
 */
int pd_window_resize(struct pd_window *w, unsigned int size);
void pd_window_destroy(struct pd_window *w);

enum pd_reserve { PD_RESERVED, PD_STOPPED, PD_CHANGING, PD_FULL, PD_AGAIN };

/* Any thread. What a reservation starts from: what the caller checks after this holds if it succeeds. */
static inline uint64_t pd_window_gate(const struct pd_window *w)
{
	/*
	 * Acquire: pairs with the release of who opened the gate; without it the masks might be older
	 * than the gate.
	 */
	return atomic_load_explicit(&w->gate, memory_order_acquire);
}

/*
 * Any number of producers. Reserve up to *n consecutive numbers, the first of which is the next, if the
 * gate is still as it was; PD_AGAIN when it is not. *n becomes how many there was room for, at least 1. A
 * number, once reserved, has to be published.
 */
enum pd_reserve pd_window_reserve(struct pd_window *w, uint64_t gate, uint64_t *seq, unsigned int *n);
/* Any producer: whether n numbers from the gate's on are more than may be reserved. */
static inline bool pd_window_short(const struct pd_window *w, uint64_t gate, unsigned int n)
{
	/* Relaxed: a hint; the reservation acquires. */
	return (gate >> PD_GATE_SHIFT) + n > atomic_load_explicit(&w->limit, memory_order_relaxed);
}

/*
 * The one that reserved. task is at least 2-byte aligned. From here on it may be run, finished and freed.
 */
static inline void pd_window_publish(struct pd_window *w, uint64_t seq, void *task)
{
	pd_prefetch_write((const void *)pd_window_task_at(w, seq + 2 * PD_TASKS_PER_LINE));
	/* Release: pairs with the acquire in pd_window_task(); without it parallel() might see the task
	 * unfilled.
	 */
	atomic_store_explicit(pd_window_task_at(w, seq), (uintptr_t)task | pd_window_lap_bit(w, seq),
			      memory_order_release);
}

/* Any thread: everything below limit may be reserved; it only ever grows while the gate is open. */
void pd_window_allow(struct pd_window *w, uint64_t limit);

/*
 * Any number of claimers. Up to max consecutive tasks are the caller's to begin, fewer when only few are
 * published and there are `claimers` to share them. Returns how many, 0 for none; *first is the first.
 */
unsigned int pd_window_claim(struct pd_window *w, unsigned int max, unsigned int claimers, uint64_t *first);
/*
 * Who published n tasks from seq on, the first of them last: claim them all, unless others are before them or
 * have claimed some of them.
 */
bool pd_window_claim_own(struct pd_window *w, uint64_t seq, unsigned int n);
/* Any thread: whether there is something to claim. */
bool pd_window_claimable(const struct pd_window *w);
/* Any thread, a hint: how many tasks are reserved and not claimed. */
static inline uint64_t pd_window_backlog(const struct pd_window *w)
{
	uint64_t next = atomic_load_explicit(&w->gate, memory_order_relaxed) >> PD_GATE_SHIFT;
	uint64_t claimed = atomic_load_explicit(&w->claimed, memory_order_relaxed);

	return next > claimed ? next - claimed : 0;
}
/* Who claimed seq, or took it over from a claimer, and has not seen it done. */
static inline void *pd_window_task(const struct pd_window *w, uint64_t seq)
{
	/*
	 * Acquire: pairs with the release in pd_window_publish(), for who took the number over from
	 * its claimer.
	 */
	return (void *)(atomic_load_explicit(pd_window_task_at(w, seq), memory_order_acquire) &
			~(uintptr_t)1);
}

/* A hint: the task of seq, which is claimed, will soon be marked done. */
static inline void pd_window_prefetch(const struct pd_window *w, uint64_t seq)
{
	pd_prefetch_write((const void *)&w->states[seq & w->mask]);
}

/*
 * Any number of threads, once for each claimed number: its task is done, and goes to the taker with the tag.
 * False: it was marked before, the caller's error. Behind a barrier somebody then has to see whether the
 * token can be picked up.
 */
static inline bool pd_window_done(struct pd_window *w, uint64_t seq, uint16_t tag)
{
	/*
	 * Release: pairs with the acquire in pd_window_take(): what was written before padata_do_serial() is
	 * seen in serial().
	 */
	uint32_t old = atomic_exchange_explicit(pd_window_state_at(w, seq), pd_window_state_of(w, seq, tag),
						memory_order_release);

	return pd_window_is_done(w, seq - w->mask - 1, old);
}

/* Any thread, behind a barrier: whether the token lies at a task that is done. */
bool pd_window_deliverable(const struct pd_window *w);
/* Any thread: pick up the token if it lies at a task that is done, and that is *seq. */
bool pd_window_pick_up(struct pd_window *w, uint64_t *seq);
/* The holder of the token. The task at seq, which is the oldest not taken, and its tag, if it is done; or
 * NULL. */
static inline void *pd_window_take(struct pd_window *w, uint64_t seq, uint16_t *tag)
{
	/* Acquire: pairs with the release in pd_window_done(), see there. */
	uint32_t state = atomic_load_explicit(pd_window_state_at(w, seq), memory_order_acquire);

	if (!pd_window_is_done(w, seq, state))
		return NULL;
	*tag = (uint16_t)state;
	return (void *)(atomic_load_explicit(pd_window_task_at(w, seq), memory_order_relaxed) &
			~(uintptr_t)1);
}

/* The holder of the token: all below seq has been delivered. */
static inline void pd_window_taken(struct pd_window *w, uint64_t seq)
{
	/*
	 * Release: pairs with the acquire of who waits until all below seq is delivered, and then
	 * looks at the lanes.
	 */
	atomic_store_explicit(&w->taken, seq, memory_order_release);
}

/*
 * The holder of the token, after pd_window_take() gave NULL. True: the token is given up. False: the caller
 * holds it again, and *seq, as others may have moved it to, is done by now.
 */
bool pd_window_park(struct pd_window *w, uint64_t *seq);

/*
 * Let one sequence number pass without a task, so that a reservation that was prepared before can not
 * succeed after. The only caller, with the gate shut and everything taken.
 */
void pd_window_skip(struct pd_window *w);

/* Any thread: the first number that is not reserved. */
static inline uint64_t pd_window_next(const struct pd_window *w)
{
	return pd_window_gate(w) >> PD_GATE_SHIFT;
}

#endif

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
 * The token is the right to take. It lies in the slot of the oldest task that
 * is not done, and who finishes that task picks it up, and takes the task with
 * it: so there is always one taker at most, none has to be asked to look again, and no lock is held
 * by a thread that may be preempted for the others to wait for.
 *
 * Who has more tasks to finish may keep the token until then, with the task that it lay with, so that all are
 * taken at once. Meanwhile anybody may take both over.
 *
 * Nothing here sleeps, allocates (but for init), calls back or knows a CPU.
 * Sequence numbers have 57 bits: 90 years at 20 ns a task.
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
	 * The slots, as one array for each that writes: producers the tasks and their tags, finishers and
	 * takers the states. So a line goes from one CPU to another for many tasks at once.
	 */
	alignas(PD_CACHE_LINE) atomic_uintptr_t *tasks; /* and in bit 0 the lap of which it is */
	_Atomic uint32_t *states;
	uint16_t *tags;
	uint64_t mask;
	unsigned int shift; /* log2 of the number of slots */
	/* Claimers. */
	alignas(PD_CACHE_LINE) _Atomic uint64_t claimed; /* below it all are claimed */
	/* The holder of the token. */
	alignas(PD_CACHE_LINE) _Atomic uint64_t taken; /* below it all have been taken, and delivered */
	void *_Atomic kept; /* the task with which the token was found; NULL: it lies in a slot, or is held */
};

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
 * The one that reserved. task is at least 2-byte aligned; the tag goes with it to the taker. From here on the
 * task may be run, finished and freed.
 */
void pd_window_publish(struct pd_window *w, uint64_t seq, void *task, uint16_t tag);
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
void *pd_window_task(const struct pd_window *w, uint64_t seq);

/* A hint: the task of seq, which is claimed, will soon be marked done. */
static inline void pd_window_prefetch(const struct pd_window *w, uint64_t seq)
{
	pd_prefetch_write((const void *)&w->states[seq & w->mask]);
}

enum pd_done {
	PD_DONE,  /* marked; touch nothing of the instance any more */
	PD_TOKEN, /* taken, and the caller now holds the token: deliver it, take what follows, then park */
	PD_TWICE, /* it was marked before: the caller's error */
};

/* Any number of threads, once for each claimed number. */
enum pd_done pd_window_done(struct pd_window *w, uint64_t seq);
/* The holder of the token. The task at seq, which is the oldest not taken, and its tag, if it is done; or
 * NULL. */
void *pd_window_take(struct pd_window *w, uint64_t seq, uint16_t *tag);
/* The holder of the token: all below seq has been delivered. */
void pd_window_taken(struct pd_window *w, uint64_t seq);
/*
 * The holder of the token, after pd_window_take() gave NULL. False: seq is done by now, take it. True:
 * the token is given up.
 */
bool pd_window_park(struct pd_window *w, uint64_t seq);

/* The holder of the token, who has found it with the task: keep both, where anybody may take them over. */
static inline void pd_window_keep(struct pd_window *w, void *task)
{
	/* Release: pairs with the acquire in pd_window_take_over(): what earlier holders did. */
	atomic_store_explicit(&w->kept, task, memory_order_release);
}

/* Any thread, behind a barrier: whether the token is kept. */
static inline bool pd_window_is_kept(const struct pd_window *w)
{
	/* Relaxed: ordered by the caller's barrier. */
	return atomic_load_explicit(&w->kept, memory_order_relaxed) != NULL;
}

/* Any thread. If the token is kept the caller now holds it, and the task that is returned; else NULL. */
static inline void *pd_window_take_over(struct pd_window *w)
{
	/* Acquire: pairs with the release in pd_window_keep(), see there. */
	return pd_window_is_kept(w) ? atomic_exchange_explicit(&w->kept, NULL, memory_order_acquire) : NULL;
}

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

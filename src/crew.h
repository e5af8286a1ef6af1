/* SPDX-License-Identifier: MIT */
#ifndef PD_CREW_H
#define PD_CREW_H

/*
 * Who is awake. Each CPU of an instance is at rest, searching for tasks, or
 * working. The rule that keeps every task moving, even while callbacks sleep:
 *
 *   While there is a task that nobody has begun, or one to be delivered that was left for the end of a run,
 *   somebody searches, or nobody rests.
 *
 * A producer that publishes a task when somebody rests and nobody searches calls one CPU. A searcher
 * that finds work and was the last one, and one that goes to rest and was the last one, look once
 * more behind a fence, so that together with the producer's no task slips between.
 * A CPU that is awake is left alone: no system call while all are busy.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pd_crew {
	_Atomic uint32_t balance; /* searching << 16 | at rest */
	atomic_ulong *resting;	  /* a bit for each CPU; never fewer bits than the balance counts */
	unsigned int words;
};

/* Nobody is there. cpus: how many CPU numbers there can be. 0 or -ENOMEM. */
int pd_crew_init(struct pd_crew *crew, unsigned int cpus);
void pd_crew_destroy(struct pd_crew *crew);

/* Only while no other thread uses the crew: all leave; one comes to rest. */
void pd_crew_clear(struct pd_crew *crew);
void pd_crew_add(struct pd_crew *crew, unsigned int cpu);

/* Any thread, behind a barrier after its task was published: whether somebody has to be called. */
static inline bool pd_crew_lacks_searcher(const struct pd_crew *crew)
{
	/* Relaxed: ordered by the caller's barrier. */
	uint32_t balance = atomic_load_explicit(&crew->balance, memory_order_relaxed);

	return balance >> 16 == 0 && balance != 0;
}

/* Any thread, a hint: whether somebody searches, or was called to, while others rest. */
static inline bool pd_crew_relies_on_searcher(const struct pd_crew *crew)
{
	uint32_t balance = atomic_load_explicit(&crew->balance, memory_order_relaxed);

	return balance >> 16 != 0 && (balance & 0xffff) != 0;
}

/* A worker in a run: whether nobody rests. */
static inline bool pd_crew_is_awake(const struct pd_crew *crew)
{
	/* Relaxed: a hint. */
	return (atomic_load_explicit(&crew->balance, memory_order_relaxed) & 0xffff) == 0;
}

/*
 * Any thread. Make a searcher of the first CPU that rests, from the given one on and round; the caller then
 * wakes it. -1 when somebody searches already, or nobody rests.
 */
int pd_crew_call(struct pd_crew *crew, unsigned int first);

/* The CPU's own worker: from working, or from outside the crew, to searching. */
void pd_crew_search(struct pd_crew *crew);

/*
 * Away from searching: the CPU's own worker to working or out of the crew, or a caller that takes its
 * call back. True: nobody searches now and somebody rests, so look again behind a fence.
 */
bool pd_crew_work(struct pd_crew *crew);

/*
 * The CPU's own worker, from searching or from working, to rest. True: it was the last searcher, or the first to
 * rest where nobody searches, so look again behind a fence.
 */
bool pd_crew_rest(struct pd_crew *crew, unsigned int cpu, bool was_searching);

#endif

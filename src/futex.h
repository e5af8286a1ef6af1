/* SPDX-License-Identifier: MIT */
#ifndef PD_FUTEX_H
#define PD_FUTEX_H

/* Sleeping and waking, and the barrier whose cost falls on the side that is about to sleep. */

#include "compiler.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Sleep while *word is value; also returns early (a signal, a wake-up that was meant for an earlier
 * sleeper), so the caller loops over its condition. timeout_ns: at most so long, 0 for ever.
 */
void pd_futex_wait(atomic_uint *word, unsigned int value, uint64_t timeout_ns);
/* Wake count sleepers. The memory may be gone by now: at worst somebody is woken early. */
void pd_futex_wake(atomic_uint *word, int count);

/* A place for one thread to sleep: each pd_unpark() lets one pd_park() through. */
struct pd_parker {
	atomic_uint permit;
};

/* The one owner. */
void pd_park(struct pd_parker *parker);
/* Any thread, once for each pd_park(). */
void pd_unpark(struct pd_parker *parker);

/* Monotonic time in nanoseconds. */
uint64_t pd_now(void);

/*
 * The two sides of "I write mine, then read yours": at least one of two threads that write, pass their
 * barrier and read sees what the other wrote. The light side costs nothing where the kernel has
 * membarrier(2), since the heavy side then makes every running thread of the process pass a barrier.
 */
extern bool pd_barrier_is_asymmetric;
void pd_barrier_init(void);
void pd_barrier_heavy(void);

static inline void pd_barrier_light(void)
{
	if (pd_likely(pd_barrier_is_asymmetric))
		atomic_signal_fence(memory_order_seq_cst);
	else
		/* Pairs with the fence in pd_barrier_heavy(). */
		atomic_thread_fence(memory_order_seq_cst);
}

#endif

/* SPDX-License-Identifier: MIT */
#ifndef PD_GUARD_H
#define PD_GUARD_H

/*
 * Which instance each thread is inside. A thread that hands the last task over
 * may find the instance freed by whoever saw that task complete; so it
 * says where it is before, and padata_free() waits until nobody is there.
 *
 * Entering is two plain stores. What makes an instance ready to be freed (a task that completed, a worker
 * that came to rest) was published by the thread after it entered, so who acts on that sees the entry. A call
 * that is refused publishes nothing; the light barrier pairs with the heavy one that follows the shutting of
 * the gate. Nor does the watcher of debug.c, which asks for no gate: it pairs with the one behind the wait until
 * nothing is outstanding.
 */

#include "futex.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum pd_place {
	PD_IN_CALL, /* inside a function of the interface */
	PD_IN_LANE, /* a worker inside a lane; calls from its callbacks come on top */
	PD_PLACES
};

struct pd_guard {
	_Atomic uintptr_t inside[PD_PLACES];
	_Atomic uint64_t entries; /* tells two visits of one place apart */
	bool registered;
	struct pd_guard *next; /* in the registry, under its lock */
};

extern _Thread_local struct pd_guard pd_guard_self __attribute__((__tls_model__("initial-exec")));

/* Bit 0 of an entry: the thread may sleep in there until the instance changes or goes. */
#define PD_GUARD_SLEEPER 1u

void pd_guard_init(void);
void pd_guard_register(void);

/* The calling thread enters and leaves. Never sleeps, but for a mutex once in a thread's life. */
static inline void pd_guard_enter(enum pd_place place, const void *instance, unsigned int sleeper)
{
	struct pd_guard *self = &pd_guard_self;
	uint64_t entries = atomic_load_explicit(&self->entries, memory_order_relaxed);

	if (__builtin_expect(!self->registered, 0))
		pd_guard_register();
	/* Release: pairs with the acquire in wait_for_calls(): who sees this visit sees the last. */
	atomic_store_explicit(&self->entries, entries + 1, memory_order_release);
	/*
	 * Release: pairs with the acquire in is_inside(): who sees us in here sees that we are through with where we
	 * were. For this visit it orders nothing: that argument is at the top of this file.
	 */
	atomic_store_explicit(&self->inside[place], (uintptr_t)instance | sleeper, memory_order_release);
	pd_barrier_light();
}

static inline void pd_guard_leave(enum pd_place place)
{
	/*
	 * Release: pairs with the acquire in is_inside(); without it the instance could be freed
	 * under our last access.
	 */
	atomic_store_explicit(&pd_guard_self.inside[place], 0, memory_order_release);
}

/*
 * Wait until every other thread that is in a call on the instance has left it;
 * with sleepers also those that sleep in one. Busy-waits: the time of a few
 * instructions, unless one of them was preempted there.
 */
void pd_guard_wait(const void *instance, bool sleepers);

#endif

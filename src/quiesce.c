/* SPDX-License-Identifier: MIT */

/*
 * Waiting until tasks have completed: padata_flush(), and the standstill that a change of masks and
 * the end need.
 */

#include "instance.h"

/* Everything below argument[0] has been delivered to its lane. */
static bool is_delivered(struct padata_instance *pinst, const uint64_t *argument)
{
	/* Acquire: pairs with the release in pd_window_taken(), see there. */
	return atomic_load_explicit(&pinst->window.taken, memory_order_acquire) >= argument[0];
}

/* Lane number argument[0] of the list has completed argument[1] tasks, or all those below argument[2]. */
static bool has_completed(struct padata_instance *pinst, const uint64_t *argument)
{
	struct pd_lane *lane = pinst->lane_list[argument[0]];

	/*
	 * Acquire, both: pair with the releases in run_serial() and report(): what serial() did is
	 * seen by who waited for it.
	 */
	return atomic_load_explicit(&lane->completed, memory_order_acquire) >= argument[1] ||
	       atomic_load_explicit(&lane->serving, memory_order_acquire) >= argument[2];
}

/* With argument[0], those that would come to rest in our hands too. */
static bool lanes_rest(struct padata_instance *pinst, const uint64_t *argument)
{
	unsigned int lanes = pd_instance_lanes(pinst);

	for (unsigned int i = 0; i < lanes; i++) {
		const struct pd_lane *lane = pinst->lane_list[i];

		if (!pd_inbox_idle(&lane->inbox) && !(argument[0] && pd_worker_is_lent(lane->worker, lane)))
			return false;
	}
	return true;
}

/*
 * A lane does not come to rest by itself while its worker, ourselves it may be, sleeps in a call of the library.
 * All are looked at once more, since a worker may have woken up, or a lane that was looked at first have been
 * poked by one that came to rest after. Such a poke wakes nobody else: nothing is pending.
 */
static void await_rest(struct padata_instance *pinst)
{
	const uint64_t lent = true, none = false;
	unsigned int lanes = pd_instance_lanes(pinst);

	do {
		pd_await(pinst, lanes_rest, &lent);
		for (unsigned int i = 0; i < lanes; i++) {
			if (!pd_inbox_idle(&pinst->lane_list[i]->inbox))
				pd_lane_rest_here(pinst->lane_list[i]);
		}
	} while (!lanes_rest(pinst, &none));
}

/*
 * In two steps, because a task that is delivered has its place in the queue of one lane, and the lanes
 * do not wait for each other: how far each has to come is known once all is delivered.
 */
static void complete_all_below(struct padata_instance *pinst, uint64_t seq)
{
	unsigned int lanes;

	pd_await(pinst, is_delivered, &seq);
	lanes = pd_instance_lanes(pinst);
	if (!lanes)
		return;
	uint64_t queued[lanes]; /* on the stack, so that no memory can be short: 8 bytes for each CPU */

	for (unsigned int i = 0; i < lanes; i++)
		queued[i] = pd_serialq_count(&pinst->lane_list[i]->serialq);
	for (unsigned int i = 0; i < lanes; i++)
		pd_await(pinst, has_completed, (uint64_t[]){i, queued[i], seq});
}

PD_EXPORT int padata_flush(struct padata_instance *pinst)
{
	int refused = pd_enter_to_sleep(pinst);

	if (refused)
		return refused;
	complete_all_below(pinst, pd_window_next(&pinst->window));
	pd_leave_from_sleep();
	return 0;
}

/* The sum of what the lanes have completed tells it without memory: nothing more comes. */
static bool nothing_outstanding(struct padata_instance *pinst, const uint64_t *argument)
{
	(void)argument;
	return !pd_outstanding(pinst);
}

void pd_quiesce_locked(struct padata_instance *pinst, unsigned int flag)
{
	/* Relaxed: the wait below orders what matters. */
	atomic_fetch_or_explicit(&pinst->window.gate, PD_GATE_CHANGING | flag, memory_order_relaxed);
	pd_await(pinst, nothing_outstanding, NULL);
	/*
	 * Pairs with the light one in pd_guard_enter(): the watcher of debug.c sees that nothing is outstanding, or we
	 * see it inside. The heavy one in pd_await() is too early for that, if the wait sleeps behind it; for the
	 * calls, which look at the gate, it is enough.
	 */
	pd_barrier_heavy();
	/* A producer or a finisher may still be on its way out, and about to poke a lane. */
	pd_guard_wait(pinst, false);
	atomic_store_explicit(&pinst->quiescing, true, memory_order_relaxed);
	await_rest(pinst);
}

void pd_resume_locked(struct padata_instance *pinst)
{
	atomic_store_explicit(&pinst->quiescing, false, memory_order_relaxed);
	/*
	 * Release: pairs with the acquire in pd_window_gate(): who finds the gate open sees the new
	 * masks and slots.
	 */
	atomic_fetch_and_explicit(&pinst->window.gate, ~(uint64_t)PD_GATE_CHANGING, memory_order_release);
	pd_room_wake(pinst);
	/* Pairs with the heavy one in padata_room_fd(): we see the descriptor, or its maker the room. */
	pd_barrier_light();
	if (atomic_load_explicit(&pinst->room_fd, memory_order_relaxed) >= 0)
		pd_room_fd_update(pinst);
}

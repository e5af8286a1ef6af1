/* SPDX-License-Identifier: MIT */

/* Calling lanes: who has to be woken, and who counts as a searcher while he comes. */

#include "instance.h"

#include <sched.h>

bool pd_lane_wake(struct pd_lane *lane)
{
	return pd_inbox_poke(&lane->inbox) && pd_worker_queue(lane->worker, &lane->work);
}

void pd_lane_summon(struct pd_lane *lane)
{
	/* Relaxed: the poke releases it. */
	atomic_store_explicit(&lane->called, PD_SUMMONED, memory_order_relaxed);
	pd_lane_wake(lane);
}

/*
 * A CPU whose worker is busy, for another instance it may be, and asleep in a callback there, does not
 * count as a searcher: it is called, and the next one too.
 */
void pd_lane_call(struct padata_instance *pinst, unsigned int first)
{
	int cpu;

	while ((cpu = pd_crew_call(&pinst->crew, first)) >= 0) {
		struct pd_lane *lane = pd_instance_lane(pinst, cpu);
		unsigned int called = PD_CALLED;

		atomic_store_explicit(&lane->called, PD_CALLED, memory_order_relaxed);
		/* A lane that calls itself looks again before it rests; but not while its serial() sleeps. */
		if (pd_lane_wake(lane) || (lane == pd_lane_self && !lane->in_serial))
			return;
		if (!atomic_compare_exchange_strong_explicit(&lane->called, &called, PD_SUMMONED,
							     memory_order_relaxed, memory_order_relaxed))
			return; /* it has come already */
		if (!pd_crew_work(&pinst->crew))
			return;
		first = (unsigned int)cpu + 1;
	}
}

/*
 * A worker that shares its CPU with a producer that does not sleep runs when the producer's turn ends, some
 * milliseconds later; and as long as it counts as a searcher nobody else is called.
 */
void pd_lane_call_other(struct padata_instance *pinst)
{
	int here = sched_getcpu();
	struct pd_lane *lane =
	    here < 0 || (unsigned int)here >= nr_cpu_ids ? NULL : pd_instance_lane(pinst, here);
	unsigned int called;

	if (!lane || lane == pd_lane_self)
		return;
	/* Relaxed, both: as in pd_lane_call(). */
	called = atomic_load_explicit(&lane->called, memory_order_relaxed);
	if ((called == PD_CALLED || called == PD_COUNTED) &&
	    atomic_compare_exchange_strong_explicit(&lane->called, &called,
						    called == PD_CALLED ? PD_SUMMONED : PD_NOT_CALLED,
						    memory_order_relaxed, memory_order_relaxed) &&
	    pd_crew_work(&pinst->crew))
		pd_lane_call(pinst, (unsigned int)here + 1);
}

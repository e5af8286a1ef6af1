/* SPDX-License-Identifier: MIT */

/* Fences, membarrier(2), and the meeting of all threads: events that have no object. */

#include "views.h"

#include "explore.h"
#include "snapshot.h"

#include <string.h>

OF_SCHEDULE uint32_t now_step;
OF_SCHEDULE uint32_t sc_fences[MAX_THREADS];

void views_reset(void)
{
	now_step = 1;
	memset(sc_fences, 0, sizeof(sc_fences));
}

void memory_synchronise_all(void)
{
	struct view all = fibers[0].now;

	for (unsigned int i = 1; i < n_fibers; i++)
		view_join(&all, &fibers[i].now);
	for (unsigned int i = 0; i < n_fibers; i++) {
		time_join(&fibers[0].time, fibers[i].time);
		fibers[i].now = all;
		fibers[i].now.hb[i]++;
		fibers[i].now.coh[i]++;
	}
	for (unsigned int i = 1; i < n_fibers; i++)
		fibers[i].time = fibers[0].time;
}

static void fence(struct fiber *f, enum order order)
{
	if (acquires(order))
		view_join(&f->now, &f->acq);
	if (order == SEQ_CST) {
		for (unsigned int i = 0; i < MAX_THREADS; i++) {
			if (sc_fences[i] < f->now.hb[i])
				sc_fences[i] = f->now.hb[i];
			f->now.coh[i] = sc_fences[i];
		}
		f->now.sc = ++now_step;
	}
	if (releases(order))
		f->rel = f->now;
}

void memory_fence(enum order order)
{
	struct fiber *f = &fibers[self];

	if (!running)
		return;
	point_fence();
	if (n_fibers == 1)
		return;
	fence(f, order);
	tick();
}

void memory_barrier_all(void)
{
	point_fence();
	/* Where nothing is stale it is needed by nobody; that no data is ordered by it alone, is checked so. */
	if (n_fibers == 1 || explore.fresh)
		return;
	/* Those that have ended too: the kernel's way out is a barrier. */
	for (unsigned int i = 0; i < n_fibers; i++) {
		fence(&fibers[i], SEQ_CST);
		fibers[i].now.hb[i]++;
		fibers[i].now.coh[i]++;
	}
	fence(&fibers[self], SEQ_CST);
	tick();
}

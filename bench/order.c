/* SPDX-License-Identifier: MIT */

/*
 * What does an order cost at least? As limit.c, two threads on two CPUs, and nothing of a library; but the items lie in
 * memory that is used again, and one of the threads sees them all in order, as a serial stage on a CPU that was asked
 * for. Nothing sleeps, nothing is called through a pointer, nobody comes or goes.
 */

#include "job.h"

#include <stdatomic.h>

enum { RUN = 32, AHEAD = 8 };

struct slot {
	struct job_item item;
} __attribute__((__aligned__(64)));

struct mark {
	_Atomic unsigned long finished; /* the run that was last finished at this place of the window, and 1 */
} __attribute__((__aligned__(64)));

static struct slot *slots;
static struct mark *marks;
static unsigned long runs, window_runs;
static _Atomic unsigned long taken __attribute__((__aligned__(64)));     /* runs begun */
static _Atomic unsigned long completed __attribute__((__aligned__(64))); /* runs of which the serial stage is over */
static struct job_order order __attribute__((__aligned__(64)));

static struct slot *run_slots(unsigned long run)
{
	return &slots[run % window_runs * RUN];
}

static int is_finished(unsigned long run)
{
	/* Acquire: pairs with the release in work_on(): the results. */
	return run < runs && atomic_load_explicit(&marks[run % window_runs].finished, memory_order_acquire) == run + 1;
}

/* The serial stage, as far as it can go. */
static void take_in_order(void)
{
	unsigned long run = atomic_load_explicit(&completed, memory_order_relaxed);

	for (; is_finished(run); run++) {
		struct slot *slot = run_slots(run);

		for (unsigned long i = 0; i < RUN; i++) {
			__builtin_prefetch(&slot[i + AHEAD]);
			job_take(&order, &slot[i].item);
		}
		/* Release: pairs with the acquire in run_on(): the slots are free again. */
		atomic_store_explicit(&completed, run + 1, memory_order_release);
	}
}

static void work_on(unsigned long run)
{
	struct slot *slot = run_slots(run);

	for (unsigned long i = 0; i < RUN; i++) {
		slot[i].item.number = (unsigned int)(run * RUN + i);
		__builtin_prefetch(&slot[i + AHEAD], 1);
		slot[i].item.value = job_work(run * RUN + i, job.loops);
	}
	/* Release: pairs with the acquire in is_finished(). */
	atomic_store_explicit(&marks[run % window_runs].finished, run + 1, memory_order_release);
}

static void *run_on(void *serial)
{
	unsigned long run;

	while ((run = atomic_fetch_add_explicit(&taken, 1, memory_order_relaxed)) < runs) {
		/* Acquire: pairs with the release in take_in_order(): the serial stage has read the slots. */
		while (run >= atomic_load_explicit(&completed, memory_order_acquire) + window_runs)
			if (serial)
				take_in_order();
		work_on(run);
		if (serial)
			take_in_order();
	}
	while (serial && atomic_load_explicit(&completed, memory_order_relaxed) < runs)
		take_in_order();
	return NULL;
}

int main(int argc, char **argv)
{
	job_options(argc, argv, NULL);
	job.items = (job.items + RUN - 1) / RUN * RUN;
	runs = job.items / RUN;
	window_runs = job.window / RUN > 2 ? job.window / RUN : 2;
	slots = job_memory((window_runs * RUN + AHEAD) * sizeof(*slots));
	marks = job_memory(window_runs * sizeof(*marks));
	job_begin();
	job_on_two_cpus(run_on, &order, NULL);
	job_end();
	job_report("order", order.sum, "%s", "");
	return 0;
}

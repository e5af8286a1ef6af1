/* SPDX-License-Identifier: MIT */

/*
 * How fast could any library be? Two threads, one on each of two CPUs, do the
 * work in whatever order they come to it: nothing is handed over, nothing waits.
 */

#include "job.h"

#include <stdatomic.h>

static _Atomic unsigned long taken;
static unsigned long chunk;
static unsigned long sums[2][16]; /* each on a cache line of its own */

static void *run(void *argument)
{
	unsigned long *sum = argument, mine = 0, first;
	/* Only who takes what is decided here; no item's memory is shared. */
	while ((first = atomic_fetch_add_explicit(&taken, chunk, memory_order_relaxed)) < job.items) {
		unsigned long end = first + chunk < job.items ? first + chunk : job.items;
		for (; first < end; first++)
			mine += job_work(first, job.loops);
	}
	*sum = mine;
	return NULL;
}

int main(int argc, char **argv)
{
	job_options(argc, argv, NULL);
	chunk = 20000 / (job.work + 20) + 1;
	job_begin();
	job_on_two_cpus(run, sums[0], sums[1]);
	job_end();
	job_report("limit", sums[0][0] + sums[1][0], "%s", "");
	return 0;
}

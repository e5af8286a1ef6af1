/* SPDX-License-Identifier: MIT */
#ifndef SCHED_JOBS_H
#define SCHED_JOBS_H

/* The one world of a program of scenarios, and its jobs. */

#include "futex.h"
#include "world.h"

static struct world w;
static struct job jobs[MAX_JOBS];

/* n jobs, whose cb_cpus are the CPUs of the mask in turn. */
static inline void begin(int n, unsigned long cpus, unsigned int window)
{
	world_begin(&w, cpus, window);
	for (int i = 0; i < n; i++)
		job_init(&jobs[i], &w, i, (cpus >> (i & 1) & 1) ? i & 1 : !(i & 1));
}

static inline void all_on(int cb_cpu)
{
	for (int i = 0; i < MAX_JOBS; i++)
		jobs[i].cb_cpu = cb_cpu;
}

static inline void end(int n, int times)
{
	world_end(&w);
	check_all(&w, jobs, n, times);
}

/* Two jobs with this parallel() wait for each other, so that they need two CPUs. */
static struct pd_parker met;
static atomic_int came;

static inline void meet(struct padata_priv *padata)
{
	if (atomic_fetch_add_explicit(&came, 1, memory_order_relaxed))
		pd_unpark(&met);
	else
		pd_park(&met);
	job_parallel(padata);
}

#endif

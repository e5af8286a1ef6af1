/* SPDX-License-Identifier: MIT */
#ifndef SCHED_WORLD_H
#define SCHED_WORLD_H

/*
 * What the scenarios share: a workqueue, an instance, and jobs that check what CONTRACT promises of
 * every task: run once, on a CPU of the mask (E1), after its turn, in order and not two at once (E2), with all
 * that was written before (E5).
 */

#include "futex.h"
#include "sched.h"

#include <linux/padata.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#ifndef WORLD_CPUS
#define WORLD_CPUS 2
#endif

enum { MAX_JOBS = 8, CPUS = WORLD_CPUS, PRODUCERS = 3 };

struct job {
	struct padata_priv padata;
	struct world *world;
	int producer, number; /* the order of submission is that of the numbers of one producer */
	int input, output, cb_cpu;
	bool deferred;	   /* parallel() leaves it unfinished */
	int again;	   /* so many times serial() submits it anew */
	int parallel_calls, serial_calls;
};

struct world {
	struct workqueue_struct *wq;
	struct padata_instance *pinst;
	unsigned long mask; /* 0: any CPU will do */
	/* Plain, on purpose: what guards them is E2 and E5. */
	int in_serial[CPUS], completed[CPUS], last[CPUS][PRODUCERS];
	atomic_uint accepted, done; /* done: counted in the exhaustive search alone, since it orders what it counts */
	struct job *_Atomic deferred[MAX_JOBS];
	void (*on_serial)(struct job *job);
};

/* The exhaustive search has scenarios with fewer workers, or fewer tasks, where they would be too large for it. */
static inline unsigned int search_or(unsigned int in_search, unsigned int else_)
{
	return sched_is_search() ? in_search : else_;
}

static inline void job_finish(struct job *job)
{
	job->output = job->input + 1;
	padata_do_serial(&job->padata);
}

static inline void job_parallel(struct padata_priv *padata)
{
	struct job *job = container_of(padata, struct job, padata);

	job->parallel_calls++;
	if (job->world->mask)
		SCHED_CHECK(job->world->mask >> sched_getcpu() & 1);
	if (job->deferred) {
		atomic_store_explicit(&job->world->deferred[job->number], job, memory_order_release);
		return;
	}
	job_finish(job);
}

static inline int job_submit(struct job *job)
{
	struct world *w = job->world; /* the job may be gone when it was accepted */
	int result = padata_do_parallel(w->pinst, &job->padata, job->cb_cpu);

	if (result == -EINPROGRESS)
		atomic_fetch_add_explicit(&w->accepted, 1, memory_order_relaxed);
	return result;
}

static inline void world_count_done(struct world *w)
{
	if (!sched_is_search())
		return;
	atomic_fetch_add_explicit(&w->done, 1, memory_order_release);
	pd_futex_wake(&w->done, 1);
}

static inline void job_serial(struct padata_priv *padata)
{
	struct job *job = container_of(padata, struct job, padata);
	struct world *w = job->world;
	int cpu = job->cb_cpu;

	job->serial_calls++;
	SCHED_CHECK(sched_getcpu() == cpu);
	SCHED_CHECK(w->in_serial[cpu]++ == 0);
	SCHED_CHECK(job->serial_calls == job->parallel_calls);
	SCHED_CHECK(job->output == job->input + 1);
	SCHED_CHECK(job->number >= w->last[cpu][job->producer]);
	w->last[cpu][job->producer] = job->number;
	w->completed[cpu]++;
	w->in_serial[cpu]--;
	if (w->on_serial) {
		w->on_serial(job); /* may free it */
	} else if (job->again > 0) {
		job->again--;
		job->number += MAX_JOBS;
		SCHED_CHECK(job_submit(job) == -EINPROGRESS);
	}
	world_count_done(w);
}

static inline void job_init(struct job *job, struct world *w, int number, int cb_cpu)
{
	*job = (struct job){.padata = {.parallel = job_parallel, .serial = job_serial},
			    .world = w,
			    .number = number,
			    .input = number * 10,
			    .cb_cpu = cb_cpu};
}

static inline void mask_of(struct cpumask *mask, unsigned long cpus)
{
	cpumask_clear(mask);
	for (unsigned int cpu = 0; cpu < CPUS; cpu++)
		if (cpus >> cpu & 1)
			cpumask_set_cpu(cpu, mask);
}

static inline struct padata_instance *instance_on(struct workqueue_struct *wq, unsigned long cpus, unsigned int window)
{
	static struct cpumask mask;
	struct padata_instance *pinst;

	mask_of(&mask, cpus);
	pinst = padata_alloc(&mask, wq);
	SCHED_CHECK(pinst);
	if (window)
		SCHED_CHECK(padata_set_window(pinst, window) == 0);
	return pinst;
}

/* Not explored: the set-up, up to the workers' sleep. */
static inline void world_begin(struct world *w, unsigned long cpus, unsigned int window)
{
	sched_explore(false);
	nr_cpu_ids = CPUS;
	*w = (struct world){0};
	w->wq = create_workqueue("s");
	SCHED_CHECK(w->wq);
	w->pinst = instance_on(w->wq, cpus, window);
	w->mask = cpus;
	flush_workqueue(w->wq);
	padata_start(w->pinst);
	sched_explore(true);
}

/*
 * padata_free() is explored, but not by the exhaustive search, which ends when all has completed: scenarios of its
 * own are for that.
 */
static inline void world_end(struct world *w)
{
	unsigned int done;

	if (sched_is_search()) {
		while ((done = atomic_load_explicit(&w->done, memory_order_acquire)) <
		       atomic_load_explicit(&w->accepted, memory_order_relaxed))
			pd_futex_wait(&w->done, done, 0);
		sched_explore(false);
	}
	padata_free(w->pinst);
	sched_explore(false);
	destroy_workqueue(w->wq);
}

/* What padata_room_fd() gave. */
static inline bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static inline void submit_all(struct job *jobs, int n)
{
	for (int i = 0; i < n; i++)
		while (job_submit(&jobs[i]) == -EBUSY)
			sched_yield();
}

static inline void check_all(const struct world *w, const struct job *jobs, int n, int times)
{
	int completed = 0;

	for (int i = 0; i < n; i++)
		SCHED_CHECK(jobs[i].serial_calls == times);
	for (int cpu = 0; cpu < CPUS; cpu++)
		completed += w->completed[cpu];
	SCHED_CHECK(completed == n * times);
}

#endif

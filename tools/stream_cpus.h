/* SPDX-License-Identifier: MIT */
#ifndef STREAM_CPUS_H
#define STREAM_CPUS_H

/* Which CPUs a run uses: the mask of its instance, which the commands share, and where the writer is. */

#include "stream_opt.h"

#include <linux/padata.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

struct cpus {
	struct padata_instance *pinst;
	struct workqueue_struct *wq;
	atomic_int cb_cpu;
	pthread_mutex_t mutex;
	cpu_set_t *set; /* under mutex; so is what is in it */
	size_t size;	/* in bytes */
};

/* Start the workers of these CPUs; so many tasks may be outstanding. */
void cpus_open(struct cpus *cpus, const struct cpumask *mask, unsigned int window);
void cpus_close(struct cpus *cpus);
/* Other CPUs while the run goes on: 0 or -errno. Sleeps until what is running is done. */
int cpus_change(struct cpus *cpus, struct cpumask *mask);

/* Where the run is now: size bytes. */
void cpus_get(struct cpus *cpus, cpu_set_t *set);
/* A CPU for the writer: the first that is usable now. */
int cpus_first(struct cpus *cpus);

/* The usable ones of a list as --cpus has it (NULL: all), or the end of the program. */
cpumask_var_t cpus_parse(const char *list);
/* The same while a run goes on: 0 or -errno. */
int cpus_parse_live(const char *list, cpumask_var_t *mask);
/* -j, for that many CPUs. */
unsigned int cpus_jobs(const struct options *o, unsigned int cpus);

#endif

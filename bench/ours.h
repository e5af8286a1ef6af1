/* SPDX-License-Identifier: MIT */
#ifndef BENCH_OURS_H
#define BENCH_OURS_H

/* On which CPU the serial stage is to run: what a user of the library has to choose. */

#include "job.h"

#include <linux/padata.h>

#include <sched.h>
#include <stdlib.h>
#include <string.h>

struct cb_choice {
	const char *mode; /* a CPU number, "alternate", "local" or "away" */
	unsigned int cpus;
	int cpu[64];
};

/* To be called when the mask is known. */
static inline void cb_prepare(struct cb_choice *cb, const struct cpumask *mask)
{
	unsigned int cpu;
	cb->cpus = 0;
	for_each_cpu (cpu, mask)
		if (cb->cpus < 64)
			cb->cpu[cb->cpus++] = (int)cpu;
	if (!cb->cpus)
		job_fail("no CPU in the mask", 0);
	if (cb->mode[0] >= '0' && cb->mode[0] <= '9') {
		cb->cpus = 1;
		cb->cpu[0] = atoi(cb->mode);
		if (!cpumask_test_cpu(cb->cpu[0], mask))
			job_fail("--cb is not in the mask", cb->cpu[0]);
	} else if (strcmp(cb->mode, "alternate") && strcmp(cb->mode, "local") && strcmp(cb->mode, "away")) {
		job_fail("--cb takes a CPU number, alternate, local or away", 0);
	}
}

/* The index in cb->cpu of the CPU for the item of this number. */
static inline unsigned int cb_choose(const struct cb_choice *cb, unsigned long number)
{
	if (cb->cpus == 1)
		return 0;
	if (cb->mode[0] == 'a' && cb->mode[1] == 'l')
		return (unsigned int)(number % cb->cpus);
	/* Where the producer is, or the first CPU where it is not. */
	int here = sched_getcpu();
	if (cb->mode[0] == 'a')
		return cb->cpu[0] == here;
	for (unsigned int i = 0; i < cb->cpus; i++)
		if (cb->cpu[i] == here)
			return i;
	return 0;
}

#endif

/* SPDX-License-Identifier: MIT */
#ifndef STREAM_CPUS_H
#define STREAM_CPUS_H

/* Which CPUs a run uses: the instance's mask, where children may run, how many jobs at a time. */

#include "stream_run.h"

void cpus_open(struct run *run);
void cpus_close(struct run *run);
/* Where children may run now: child_cpus_size bytes. */
void cpus_of_children(struct run *run, cpu_set_t *set);
/* A CPU for the writer: the first that is usable now. Under run->mutex. */
int cpus_first(struct run *run);
/* The usable ones of a list as --cpus has it (NULL: all), or the end of the program. */
cpumask_var_t cpus_parse(const char *list);
/* -j, for that many CPUs. */
unsigned int cpus_jobs(const struct options *o, unsigned int cpus);
/* Change them while the run goes on: 0 or -errno. Sleeps until what is running is done. */
int cpus_change(struct run *run, const char *list);

#endif

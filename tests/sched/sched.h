/* SPDX-License-Identifier: MIT */
#ifndef SCHED_H
#define SCHED_H

/*
 * What a scenario sees of the deterministic scheduler. A scenario is a
 * function that runs as thread 0 of a small program of its own: it makes
 * threads with pthread_create(), joins them, frees what it allocated, and
 * returns. The scheduler runs it once for each schedule.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct sched_scenario {
	const char *name;
	void (*run)(void);
	/* For the exhaustive search: the most preemptions, and the most stale reads or early stores; 0, 0 leaves it out. */
	unsigned int preemptions, stale;
	/* A timeout may be what makes the program go on; elsewhere that is a lost wake-up. */
	bool timers;
};

/* Runs every scenario of the table as the arguments say; returns the program's exit status. */
int sched_main(int argc, char **argv, const struct sched_scenario *table, unsigned int count);

/* End this schedule with a finding. Does not return. */
void sched_fail(const char *format, ...) __attribute__((__noreturn__, __format__(__printf__, 1, 2)));

#define SCHED_CHECK(condition)                                                              \
	do {                                                                                \
		if (!(condition))                                                           \
			sched_fail("%s:%d: %s is false", __FILE__, __LINE__, #condition);   \
	} while (0)

/* A number below n that the strategy chooses, as it chooses the next thread. */
unsigned int sched_choose(unsigned int n);

/* Whether this schedule is one of the exhaustive search, which has to be small. */
bool sched_is_search(void);

/* The CPUs that the program may run on, as sched_getaffinity() has it; two at the start of each schedule. */
void sched_allow_cpus(unsigned long cpus);

/* Whether a thread of the scenario sleeps, or waits for a mutex: as a second that has passed would tell. */
bool sched_waits(pthread_t thread);

/*
 * Off: nothing is chosen, the thread runs on, reads are fresh, races and accesses are not checked; for setting up
 * and taking down. On: from here on all is, and every thread knows what was done until now.
 */
void sched_explore(bool on);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SCHED_EXPLORE_H
#define SCHED_EXPLORE_H

/* How the next schedule is to be chosen, and what the last one was. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum strategy { RANDOM, PCT, EXHAUSTIVE, REPLAY };

struct exploration {
	enum strategy strategy;
	uint64_t seed;		/* random and PCT */
	uint32_t pct_steps;	/* PCT: about how many steps a schedule has */
	unsigned int max_preemptions, max_stale;
	bool fresh;		/* nothing is stale: the exhaustive search without stale reads, and its replay */
	bool learns;		/* before the exhaustive search: choose at random, to see what is shared */
	uint32_t max_steps;	/* more are a livelock */
	bool timers;		/* a timeout may be what the program goes on by */
	struct {
		uint32_t at, chosen;
	} listed[64];
	unsigned int n_listed;
	/* Of the schedule that runs, or ran last. */
	uint32_t steps;
	uint32_t clock_step_ns; /* how long it takes to look at the clock */
	unsigned int timed; /* threads that wait with a timeout */
	bool cut;	    /* it came to a state that the search has seen */
};

extern struct exploration explore;

/* By choices, one by one: threads have clocks of their own then, which follow what they read of each other. */
static inline bool explore_by_choices(void)
{
	return explore.strategy == EXHAUSTIVE || explore.strategy == REPLAY;
}

void explore_begin(void);
/* In a search: where it is like the one before, go on from a snapshot of that; false if there is none. */
bool explore_resume(void);
void explore_pause(void); /* take one */
/* Begin a search, or once more with what was learned. */
void explore_first_leaf(void);
bool explore_next_leaf(void);
void explore_print_choices(char *out, size_t size);

#endif

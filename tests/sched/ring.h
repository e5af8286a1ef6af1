/* SPDX-License-Identifier: MIT */
#ifndef SCHED_RING_H
#define SCHED_RING_H

/*
 * A small ordered ring on which the scheduler itself is tested: tasks go to
 * two workers through a list each, and are delivered in the order of their
 * numbers by whoever gets hold of the drain. -DBUG=n plants one bug; see
 * README.md for the ten.
 */

#include <stdatomic.h>
#include <stdbool.h>

enum { RING_SLOTS = 2, RING_WORKERS = 2 };

struct task {
	struct task *next;
	unsigned int seq;
	int input, output;
};

struct inbox {
	struct task *_Atomic head;
	atomic_uint epoch; /* futex */
	atomic_bool waiting;
};

struct ring {
	struct inbox inboxes[RING_WORKERS];
	struct task *_Atomic slots[RING_SLOTS]; /* finished, not delivered */
	atomic_bool draining;
	unsigned int next; /* whose turn it is; by who drains */
	atomic_uint delivered;
	atomic_uint refs;
	void (*deliver)(struct task *task);
};

struct ring *ring_alloc(void (*deliver)(struct task *task));
void ring_put(struct ring *ring);
void ring_submit(struct ring *ring, struct task *task, unsigned int worker);
/* The worker: sleeps until there are tasks; all of them, the newest first. */
struct task *ring_take(struct ring *ring, unsigned int worker);
/* A task is finished: deliver what can be delivered. */
void ring_done(struct ring *ring, struct task *task);

#endif

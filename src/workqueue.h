/* SPDX-License-Identifier: MIT */
#ifndef PD_WORKQUEUE_H
#define PD_WORKQUEUE_H

/* What the library itself asks of a workqueue, beyond <linux/workqueue.h>. */

#include "futex.h"
#include "inbox.h"

#include <linux/workqueue.h>

#include <pthread.h>
#include <stdbool.h>

struct pd_worker {
	alignas(PD_CACHE_LINE) struct pd_inbox inbox; /* work items, by their padata_next */
	struct pd_parker parker;
	void **taken; /* taken from the inbox, not yet begun: the worker's, or its borrower's */
	atomic_bool stopping;
	int cpu;
	struct workqueue_struct *wq;
	pthread_t thread;
	pthread_mutex_t lend_lock; /* who holds it has the queue, while that is lent */
	const void *_Atomic lent;  /* what the worker sleeps in; NULL: the queue is its own */
};

/*
 * The worker of a CPU, started if need be. Any thread; sleeps. NULL and errno:
 * ENOMEM, EAGAIN, or EINVAL when the process may not run on that CPU.
 */
struct pd_worker *pd_worker_get(struct workqueue_struct *wq, int cpu);

/*
 * Any number of producers; never sleeps. The item is not queued anywhere. True: the worker slept, and this is
 * what it was woken for.
 */
bool pd_worker_queue(struct pd_worker *worker, struct work_struct *work);

/* Who has the worker's queue: whether other items wait. */
static inline bool pd_worker_pending(const struct pd_worker *worker)
{
	return worker->taken || pd_inbox_holds(&worker->inbox);
}

/*
 * Any thread. Pin the worker to its CPU again, if that is allowed: the system takes the pin away when the
 * process loses the CPU, and does not give it back.
 */
void pd_worker_pin(struct pd_worker *worker);

/* Whether the queue was made before a fork(), so that its workers are not in this process. */
bool pd_workqueue_inherited(const struct workqueue_struct *wq);

/* In the child of a fork(): the calling thread is no worker. */
void pd_worker_forget_self(void);

/* The worker that the calling thread is; NULL when it is none. */
struct pd_worker *pd_worker_self(void);

/*
 * The worker itself, about to sleep in an item, which the caller names: lend the queue, for others to take out of
 * it what waits behind that item. each() is called for all that does.
 */
void pd_worker_lend(struct pd_worker *self, const void *item, void (*each)(struct work_struct *work));
/* The worker itself, awake again: waits for who has borrowed the queue. */
void pd_worker_reclaim(struct pd_worker *self);

/*
 * Any thread; with lend_lock held it stays so. Whether the queue is lent, and by a worker that does not sleep in
 * the item.
 */
static inline bool pd_worker_is_lent(const struct pd_worker *worker, const void *item)
{
	/* Relaxed: a hint, or ordered by the lock. */
	const void *lent = atomic_load_explicit(&worker->lent, memory_order_relaxed);

	return lent && lent != item;
}

/* Who has the worker's queue. Take an item that has not begun out of it; whether it was there. */
bool pd_worker_unqueue(struct pd_worker *worker, struct work_struct *work);

#endif

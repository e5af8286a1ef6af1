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
	void **taken; /* the worker's alone: taken from the inbox, not yet begun */
	atomic_bool stopping;
	int cpu;
	struct workqueue_struct *wq;
	pthread_t thread;
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

/* The worker itself: whether other items wait. */
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

/* The worker itself. Take an item that has not begun out of its queue; whether it was there. */
bool pd_worker_unqueue(struct pd_worker *self, struct work_struct *work);

/* Whether the calling thread is a worker of the queue. */
bool pd_worker_is_self(const struct workqueue_struct *wq);

#endif

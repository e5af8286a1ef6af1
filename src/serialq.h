/* SPDX-License-Identifier: MIT */
#ifndef PD_SERIALQ_H
#define PD_SERIALQ_H

/*
 * The serial queue: the tasks whose serial() comes next on one CPU, in order.
 *
 * A ring of pointers as large as the window, so it is never full: to deliver a task is to write eight bytes,
 * and neither side waits for the cache line of a task that another CPU has.
 *
 * A place of the ring is written again only for a task that was reserved when the last one there had
 * completed, so the writes need no look at how far the consumer is.
 */

#include "compiler.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pd_serialq {
	/* The producer's. */
	alignas(PD_CACHE_LINE) _Atomic uint64_t put; /* so many were ever put, and may be seen */
	uint64_t filled;			     /* ... and those that may not yet */
	/* The consumer's. */
	alignas(PD_CACHE_LINE) uint64_t taken;
	uint64_t put_seen; /* as last looked up */
	/* Constant while tasks flow. */
	alignas(PD_CACHE_LINE) void **ring;
	uint64_t mask;
};

/* For at most size tasks that are put and not completed. 0 or -ENOMEM. */
int pd_serialq_init(struct pd_serialq *q, unsigned int size);
/* The only user of an empty queue. For another size; -ENOMEM leaves it as it was. */
int pd_serialq_resize(struct pd_serialq *q, unsigned int size);
void pd_serialq_destroy(struct pd_serialq *q);

/* One producer at a time, each after the last: the holder of the window's token. Never fails. */
static inline void pd_serialq_put(struct pd_serialq *q, void *task)
{
	q->ring[q->filled++ & q->mask] = task;
}

/* The same producer: what it has put is to be seen. */
static inline void pd_serialq_publish(struct pd_serialq *q)
{
	/* Release: pairs with the acquire in pd_serialq_look(); without it the place might be read unwritten.
	 */
	atomic_store_explicit(&q->put, q->filled, memory_order_release);
}

/* Any thread: how many were ever published. */
static inline uint64_t pd_serialq_count(const struct pd_serialq *q)
{
	/* Relaxed: who needs to be exact has acquired what pd_window_taken() released. */
	return atomic_load_explicit(&q->put, memory_order_relaxed);
}

/* The one consumer. The oldest task, which stays the oldest until it is taken, or NULL. */
static inline void *pd_serialq_look(struct pd_serialq *q)
{
	if (q->taken == q->put_seen)
		/* Acquire: pairs with the release in pd_serialq_publish(), see there. */
		q->put_seen = atomic_load_explicit(&q->put, memory_order_acquire);
	return q->taken == q->put_seen ? NULL : q->ring[q->taken & q->mask];
}

/* The one consumer. Take what pd_serialq_look() has given, and fetch one that comes after. */
static inline void pd_serialq_take(struct pd_serialq *q)
{
	enum { AHEAD = 8 };

	if (q->taken++ + AHEAD < q->put_seen)
		pd_prefetch_task(q->ring[(q->taken - 1 + AHEAD) & q->mask]);
}

/* The one consumer, a hint: whether there is something to take. */
static inline bool pd_serialq_stirs(const struct pd_serialq *q)
{
	return pd_serialq_count(q) != q->taken;
}

#endif

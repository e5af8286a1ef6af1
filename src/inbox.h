/* SPDX-License-Identifier: MIT */
#ifndef PD_INBOX_H
#define PD_INBOX_H

/*
 * A list that is handed over whole: any number of threads push, one consumer
 * takes everything at once. The same word says whether the consumer is at
 * rest, so exactly one pusher learns that it has to be started.
 *
 * The nodes are link fields of type void * inside the caller's structures.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pd_inbox {
	atomic_uintptr_t head;
};

enum {
	PD_INBOX_IDLE = 0,   /* empty, the consumer is at rest */
	PD_INBOX_ACTIVE = 1, /* empty, the consumer runs and will look again */
	PD_INBOX_POKED = 2,  /* as ACTIVE, and the consumer has to look once more before it rests */
};

/* Starts at rest. */
void pd_inbox_init(struct pd_inbox *inbox);

/*
 * Any number of producers. True when the consumer was at rest: the caller has to start it. The node may
 * not be touched afterwards.
 */
bool pd_inbox_push(struct pd_inbox *inbox, void **node);

/* Any number of callers. Have the consumer look around once more. True as for pd_inbox_push(). */
bool pd_inbox_poke(struct pd_inbox *inbox);

/* The one consumer, while active. Everything pushed so far, oldest first, linked and ended by NULL; or NULL.
 */
void **pd_inbox_take(struct pd_inbox *inbox);

/*
 * The one consumer, while active, with everything taken. True: it is at rest now, and somebody else
 * may start it.
 */
bool pd_inbox_rest(struct pd_inbox *inbox);

/* Any thread. Whether something was pushed that has not been taken. */
static inline bool pd_inbox_holds(const struct pd_inbox *inbox)
{
	/* Relaxed: a hint; who acts on it takes, and that acquires. */
	return atomic_load_explicit(&inbox->head, memory_order_relaxed) > PD_INBOX_POKED;
}

/* Any thread. Whether the consumer is at rest; if so, all that it did is visible to the caller. */
static inline bool pd_inbox_idle(const struct pd_inbox *inbox)
{
	/*
	 * Acquire: pairs with the release in pd_inbox_rest(); without it the caller could free what
	 * the consumer still writes.
	 */
	return atomic_load_explicit(&inbox->head, memory_order_acquire) == PD_INBOX_IDLE;
}

#endif

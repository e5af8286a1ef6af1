/* SPDX-License-Identifier: MIT */
#ifndef PD_SPAN_H
#define PD_SPAN_H

/*
 * A span of consecutive numbers, of 58 bits: its owner takes from the front, one by one, thieves rob the rest from the
 * end.
 *
 * The owner pays for no atomic step and no barrier: he says which number he takes, then looks where the span
 * ends. A thief says where it is to end, passes the heavy barrier, and looks what was taken. Whoever of the
 * two sees both cannot have been overtaken; if both want the same number, who first changes the end has it.
 */

#include "compiler.h"
#include "futex.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PD_SPAN_MAX 126

struct pd_span {
	/* The next number; written by the owner alone, and past the end when there is none. */
	_Atomic uint64_t begun;
	/* One past the last number << PD_CLAIM_BITS | how many from there on a thief is about to have. */
	_Atomic uint64_t end;
	atomic_bool robbed; /* a thief is at it */
};

enum { PD_CLAIM_BITS = 6 };

/* Empty. */
void pd_span_init(struct pd_span *span);

/* The one owner, with an empty span: n numbers from first on, at most PD_SPAN_MAX. */
void pd_span_put(struct pd_span *span, uint64_t first, unsigned int n);

/* The owner, who wants a number at or behind the end: whether a thief's claim could be undone. */
bool pd_span_reclaim(struct pd_span *span, uint64_t next);

/* The owner. False: the span is empty. */
static inline bool pd_span_next(struct pd_span *span, uint64_t *next)
{
	uint64_t seq = atomic_load_explicit(&span->begun, memory_order_relaxed);

	/*
	 * Release: pairs with the acquire in pd_span_left(): who sees the span empty sees what its owner did
	 * before he took the last.
	 */
	atomic_store_explicit(&span->begun, seq + 1, memory_order_release);
	/* Pairs with the heavy one in pd_span_rob(). */
	pd_barrier_light();
	/* Relaxed: what it counts was the owner's before. */
	if (pd_unlikely(seq >= atomic_load_explicit(&span->end, memory_order_relaxed) >> PD_CLAIM_BITS) &&
	    !pd_span_reclaim(span, seq))
		return false;
	*next = seq;
	return true;
}

/*
 * The owner. Whether there is more in it, of which no thief has said that it is his. If so a thief who then
 * has it empty sees what the owner did before this call.
 */
static inline bool pd_span_goes_on(const struct pd_span *span)
{
	/* Pairs with the heavy one in pd_span_rob(). */
	pd_barrier_light();
	return atomic_load_explicit(&span->begun, memory_order_relaxed) <
	       atomic_load_explicit(&span->end, memory_order_relaxed) >> PD_CLAIM_BITS;
}

/*
 * Any number of thieves, of which one succeeds at a time. Half of what is left, and at least one, is the
 * caller's: how many, and *first; or 0. Costs a heavy barrier.
 */
unsigned int pd_span_rob(struct pd_span *span, uint64_t *first);

/* Any thread: how many are left, those included that a thief is about to have. */
unsigned int pd_span_left(const struct pd_span *span);

#endif

/* SPDX-License-Identifier: MIT */

#include "span.h"

#define CLAIM_MASK (((uint64_t)1 << PD_CLAIM_BITS) - 1)

_Static_assert((PD_SPAN_MAX + 1) / 2 <= CLAIM_MASK, "a claim can be written down");

void pd_span_init(struct pd_span *span)
{
	atomic_init(&span->begun, 0);
	atomic_init(&span->end, 0);
	atomic_init(&span->robbed, false);
}

void pd_span_put(struct pd_span *span, uint64_t first, unsigned int n)
{
	/*
	 * First of all: a thief that is late, and has read where the last span ends, is not to take this
	 * beginning for that span's.
	 */
	atomic_store_explicit(&span->end, 0, memory_order_relaxed);
	/* Release: pairs with the acquire in pd_span_left() and pd_span_rob(), for that. */
	atomic_store_explicit(&span->begun, first, memory_order_release);
	/*
	 * Release: pairs with the barrier in rob(); without it the thief might read the last lap's
	 * task.
	 */
	atomic_store_explicit(&span->end, (first + n) << PD_CLAIM_BITS, memory_order_release);
}

bool pd_span_reclaim(struct pd_span *span, uint64_t next)
{
	uint64_t end = atomic_load_explicit(&span->end, memory_order_relaxed);
	uint64_t whole;

	do {
		whole = (end >> PD_CLAIM_BITS) + (end & CLAIM_MASK);
		if (next < end >> PD_CLAIM_BITS)
			return true;
		if (next >= whole)
			return false;
		/* Relaxed, both: as in pd_span_next(). */
	} while (!atomic_compare_exchange_weak_explicit(&span->end, &end, whole << PD_CLAIM_BITS,
							memory_order_relaxed, memory_order_relaxed));
	return true;
}

static unsigned int left_until(const struct pd_span *span, uint64_t end)
{
	/* Acquire: pairs with the releases in pd_span_next() and pd_span_put(), see there. */
	uint64_t begun = atomic_load_explicit(&span->begun, memory_order_acquire);

	end = (end >> PD_CLAIM_BITS) + (end & CLAIM_MASK);
	/* Neither need be from the same span. */
	return begun < end && end - begun <= PD_SPAN_MAX ? (unsigned int)(end - begun) : 0;
}

unsigned int pd_span_left(const struct pd_span *span)
{
	/* Acquire: pairs with the barrier in rob(): who sees the span empty sees what its thief saw. */
	return left_until(span, atomic_load_explicit(&span->end, memory_order_acquire));
}

/* The only thief. */
static unsigned int rob(struct pd_span *span, uint64_t *first)
{
	/* Relaxed: until the barrier below a guess, behind it acquired. */
	uint64_t end = atomic_load_explicit(&span->end, memory_order_relaxed);
	unsigned int n = (left_until(span, end) + 1) / 2;
	uint64_t claimed = end - ((uint64_t)n << PD_CLAIM_BITS) + n,
		 robbed = end - ((uint64_t)n << PD_CLAIM_BITS);

	/* Relaxed: others learn of it by the barrier. */
	if (!n || !atomic_compare_exchange_strong_explicit(&span->end, &end, claimed, memory_order_relaxed,
							   memory_order_relaxed))
		return 0;
	/*
	 * Pairs with the light ones in pd_span_next() and pd_span_goes_on(); and with the release in pd_span_put(), as the
	 * acquire of the end that we have read.
	 */
	pd_barrier_heavy();
	*first = robbed >> PD_CLAIM_BITS;
	/* Acquire: pairs with the release in pd_span_put(); if this is the next span's, the end below is as
	 * well. */
	if (atomic_load_explicit(&span->begun, memory_order_acquire) > *first) {
		robbed = end;
		n = 0;
	}
	/* Relaxed: what the barrier has shown us it releases to who acquires this in pd_span_left(). */
	if (!atomic_compare_exchange_strong_explicit(&span->end, &claimed, robbed, memory_order_relaxed,
						     memory_order_relaxed))
		n = 0;
	return n;
}

unsigned int pd_span_rob(struct pd_span *span, uint64_t *first)
{
	unsigned int n;

	/*
	 * One at a time, or an end that looks as before could be another one's. Acquire: pairs with the
	 * release below, for the same reason.
	 */
	if (atomic_load_explicit(&span->robbed, memory_order_relaxed) ||
	    atomic_exchange_explicit(&span->robbed, true, memory_order_acquire))
		return 0;
	n = rob(span, first);
	atomic_store_explicit(&span->robbed, false, memory_order_release);
	return n;
}

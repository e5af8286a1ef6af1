/* SPDX-License-Identifier: MIT */

/* The span (span.h): what its owner takes from the front and thieves from the end, alone and together. */

#include "span.h"
#include "test.h"

#include <pthread.h>
#include <sched.h>

static struct pd_span span;

static void taken_in_order(void)
{
	uint64_t next;

	pd_span_init(&span);
	CHECK_EQ(pd_span_left(&span), 0);
	CHECK(!pd_span_next(&span, &next));
	for (unsigned int n = 1; n <= PD_SPAN_MAX; n++) {
		uint64_t first = ((uint64_t)1 << 58) - 1 - n * 200;

		pd_span_put(&span, first, n);
		for (unsigned int i = 0; i < n; i++) {
			CHECK_EQ(pd_span_left(&span), n - i);
			CHECK(pd_span_goes_on(&span));
			CHECK(pd_span_next(&span, &next));
			CHECK_EQ(next, first + i);
		}
		CHECK(!pd_span_goes_on(&span));
		CHECK_EQ(pd_span_left(&span), 0);
		CHECK(!pd_span_next(&span, &next));
		CHECK_EQ(pd_span_left(&span), 0);
	}
}

/* A thief takes half of what is left, the larger one, from the end. */
static void halves_are_robbed(void)
{
	uint64_t first, next;

	pd_span_init(&span);
	CHECK_EQ(pd_span_rob(&span, &first), 0);
	pd_span_put(&span, 100, 8);
	CHECK(pd_span_next(&span, &next));
	CHECK_EQ(pd_span_rob(&span, &first), 4);
	CHECK_EQ(first, 104);
	CHECK_EQ(pd_span_rob(&span, &first), 2);
	CHECK_EQ(first, 102);
	CHECK_EQ(pd_span_rob(&span, &first), 1);
	CHECK_EQ(first, 101);
	CHECK_EQ(pd_span_rob(&span, &first), 0);
	CHECK(!pd_span_goes_on(&span));
	CHECK(!pd_span_next(&span, &next));
	/* Older numbers, as they come when a span is robbed from another. */
	pd_span_put(&span, 10, 3);
	CHECK_EQ(pd_span_rob(&span, &first), 2);
	CHECK_EQ(first, 11);
	CHECK(pd_span_next(&span, &next));
	CHECK_EQ(next, 10);
	CHECK(!pd_span_next(&span, &next));
}

/* What a thief has said that it is about to have is the owner's if he comes first. */
static void claims_are_undone(void)
{
	uint64_t next;

	pd_span_init(&span);
	pd_span_put(&span, 20, 2);
	atomic_store(&span.end, (uint64_t)21 << PD_CLAIM_BITS | 1);
	CHECK_EQ(pd_span_left(&span), 2);
	CHECK(pd_span_goes_on(&span));
	CHECK(pd_span_next(&span, &next));
	CHECK(!pd_span_goes_on(&span));
	CHECK_EQ(pd_span_left(&span), 1);
	CHECK(pd_span_next(&span, &next));
	CHECK_EQ(next, 21);
	CHECK_EQ(atomic_load(&span.end), (uint64_t)22 << PD_CLAIM_BITS);
	CHECK(!pd_span_next(&span, &next));
}

/* An owner that fills it again and again, and thieves: each number is taken once. */
enum { THIEVES = 3, ROUNDS = 200000, NUMBERS = 5 };
static atomic_uchar taken[ROUNDS * NUMBERS];
static atomic_uint there, robbed;
static atomic_bool over;

static void take(uint64_t number)
{
	atomic_fetch_add_explicit(&taken[number], 1, memory_order_relaxed);
}

static void *rob_all(void *unused)
{
	atomic_fetch_add_explicit(&there, 1, memory_order_relaxed);
	while (!atomic_load_explicit(&over, memory_order_relaxed)) {
		uint64_t first;
		unsigned int n = pd_span_rob(&span, &first);

		atomic_fetch_add_explicit(&robbed, n, memory_order_relaxed);
		for (; n > 0; n--)
			take(first++);
	}
	return unused;
}

static void many_threads(void)
{
	pthread_t thieves[THIEVES];
	uint64_t next;

	pd_barrier_init();
	pd_span_init(&span);
	for (int i = 0; i < THIEVES; i++)
		CHECK_EQ(pthread_create(&thieves[i], NULL, rob_all, NULL), 0);
	while (atomic_load_explicit(&there, memory_order_relaxed) < THIEVES)
		sched_yield();
	for (uint64_t round = 0; round < ROUNDS; round++) {
		unsigned int before = atomic_load_explicit(&robbed, memory_order_relaxed);

		pd_span_put(&span, round * NUMBERS, NUMBERS);
		/* Now and then, or all may be over before a thief has had the processor. */
		while (round % 10000 == 0 && atomic_load_explicit(&robbed, memory_order_relaxed) == before)
			sched_yield();
		while (pd_span_next(&span, &next))
			take(next);
	}
	atomic_store_explicit(&over, true, memory_order_relaxed);
	for (int i = 0; i < THIEVES; i++)
		CHECK_EQ(pthread_join(thieves[i], NULL), 0);
	for (int i = 0; i < ROUNDS * NUMBERS; i++)
		CHECK_EQ(atomic_load(&taken[i]), 1);
}

static const struct test_case cases[] = {
	{"E1 span: taken in order, one by one", taken_in_order},
	{"E1 span: halves are robbed from the end", halves_are_robbed},
	{"E1 span: a thief's claim is undone", claims_are_undone},
	{"E1 span: an owner and thieves, each number once", many_threads},
};

TEST_MAIN(cases)

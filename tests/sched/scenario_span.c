/* SPDX-License-Identifier: MIT */

/*
 * The span: an owner, who takes from two of them, and thieves. Each number is taken once, with what was written before
 * the span was filled; and who sees it empty sees what the owner wrote before he knew that there was more in it.
 */

#include "sched.h"

#include "span.h"

#include <pthread.h>
#include <sched.h>

enum { NUMBERS = 3, FIRST = 1000 }; /* far from where an empty span begins */
static struct pd_span span;
static int content[2 * NUMBERS], times_taken[2 * NUMBERS];
static bool was_more[NUMBERS], seen[NUMBERS];
static atomic_int written[NUMBERS];

static void take_number(uint64_t number)
{
	SCHED_CHECK(number >= FIRST && number < FIRST + 2 * NUMBERS && content[number - FIRST] == 7);
	times_taken[number - FIRST]++;
}

static void take_numbers(void)
{
	uint64_t number;

	while (pd_span_next(&span, &number))
		take_number(number);
}

static void fill_span(uint64_t first)
{
	for (uint64_t number = first; number < first + NUMBERS; number++)
		content[number] = 7;
	pd_span_put(&span, FIRST + first, NUMBERS);
}

static void *rob_once(void *unused)
{
	uint64_t first = 0;

	for (unsigned int n = pd_span_rob(&span, &first); n > 0; n--)
		take_number(first++);
	return unused;
}

static void *rob_twice(void *unused)
{
	rob_once(unused);
	return rob_once(unused);
}

static void span_of(int spans, void *(*rob)(void *), int thieves)
{
	pthread_t thief[2];

	pd_span_init(&span);
	for (int i = 0; i < thieves; i++)
		pthread_create(&thief[i], NULL, rob, NULL);
	for (int i = 0; i < spans; i++) {
		/* The later numbers first, as they are when a span is robbed from another. */
		fill_span((uint64_t)(spans - 1 - i) * NUMBERS);
		take_numbers();
	}
	for (int i = 0; i < thieves; i++)
		pthread_join(thief[i], NULL);
	SCHED_CHECK(pd_span_left(&span) == 0 && !atomic_load_explicit(&span.robbed, memory_order_relaxed));
	for (int i = 0; i < spans * NUMBERS; i++)
		SCHED_CHECK(times_taken[i] == 1);
}

static void span_is_robbed(void)
{
	span_of(1, rob_twice, 1);
}

static void span_of_two_thieves(void)
{
	span_of(1, rob_once, 2);
}

static void span_is_filled_again(void)
{
	span_of(2, rob_twice, 1);
}

static void by_fences(void (*scenario)(void))
{
	pd_barrier_is_asymmetric = false;
	scenario();
}

static void span_is_robbed_by_fences(void)
{
	by_fences(span_is_robbed);
}

static void span_is_filled_again_by_fences(void)
{
	by_fences(span_is_filled_again);
}

/*
 * Where the last span ended right before, its beginning would do for the new one too: a thief that still sees it has
 * seen the new end, and with that all that was written before.
 */
static void span_is_robbed_behind_the_last_by_fences(void)
{
	pthread_t thief;
	uint64_t number;

	pd_barrier_is_asymmetric = false;
	pd_span_init(&span);
	pd_span_put(&span, FIRST - 1, 1);
	SCHED_CHECK(pd_span_next(&span, &number));
	pthread_create(&thief, NULL, rob_once, NULL);
	fill_span(0);
	pthread_join(thief, NULL);
	take_numbers();
	for (int i = 0; i < NUMBERS; i++)
		SCHED_CHECK(times_taken[i] == 1);
}

static void *see_it_empty(void *unused)
{
	while (pd_span_left(&span))
		sched_yield();
	for (int i = 0; i < NUMBERS; i++)
		seen[i] = atomic_load_explicit(&written[i], memory_order_relaxed);
	return unused;
}

static void span_is_seen_empty(void)
{
	pthread_t thief, observer;
	uint64_t number;

	pd_span_init(&span);
	fill_span(0);
	pthread_create(&thief, NULL, rob_once, NULL);
	pthread_create(&observer, NULL, see_it_empty, NULL);
	while (pd_span_next(&span, &number)) {
		take_number(number);
		atomic_store_explicit(&written[number - FIRST], 1, memory_order_relaxed);
		was_more[number - FIRST] = pd_span_goes_on(&span);
	}
	pthread_join(thief, NULL);
	pthread_join(observer, NULL);
	for (int i = 0; i < NUMBERS; i++)
		SCHED_CHECK(times_taken[i] == 1 && seen[i] >= was_more[i]);
}

static void span_is_seen_empty_by_fences(void)
{
	by_fences(span_is_seen_empty);
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
	    {"span_is_robbed", span_is_robbed, 3, 1, false},
	    {"span_is_robbed_by_fences", span_is_robbed_by_fences, 0, 0, false},
	    {"span_of_two_thieves", span_of_two_thieves, 3, 0, false},
	    {"span_is_filled_again", span_is_filled_again, 3, 1, false},
	    {"span_is_filled_again_by_fences", span_is_filled_again_by_fences, 0, 0, false},
	    {"span_is_robbed_behind_the_last_by_fences", span_is_robbed_behind_the_last_by_fences, 3, 2, false},
	    {"span_is_seen_empty", span_is_seen_empty, 3, 1, false},
	    {"span_is_seen_empty_by_fences", span_is_seen_empty_by_fences, 0, 0, false},
	};

	return sched_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}

/* SPDX-License-Identifier: MIT */

/* The hand-over list: order, states, and one start for each rest. */

#include "inbox.h"
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static void *link_[8];

static void first_in_first_out(void)
{
	struct pd_inbox inbox;
	void **node;

	pd_inbox_init(&inbox);
	CHECK(pd_inbox_idle(&inbox));
	CHECK(pd_inbox_push(&inbox, &link_[0]));
	CHECK(!pd_inbox_idle(&inbox));
	for (int i = 1; i < 5; i++)
		CHECK(!pd_inbox_push(&inbox, &link_[i]));
	CHECK(pd_inbox_holds(&inbox));
	node = pd_inbox_take(&inbox);
	for (int i = 0; i < 5; i++, node = *node)
		CHECK(node == &link_[i]);
	CHECK(!node);
	CHECK(!pd_inbox_take(&inbox));
	CHECK(!pd_inbox_idle(&inbox));
	CHECK(pd_inbox_rest(&inbox));
	CHECK(pd_inbox_idle(&inbox));
}

static void a_poke_is_not_lost(void)
{
	struct pd_inbox inbox;

	pd_inbox_init(&inbox);
	CHECK(pd_inbox_poke(&inbox));
	CHECK(!pd_inbox_take(&inbox));
	CHECK(!pd_inbox_poke(&inbox));
	CHECK(!pd_inbox_poke(&inbox));
	CHECK(!pd_inbox_holds(&inbox));
	CHECK(!pd_inbox_rest(&inbox));
	CHECK(!pd_inbox_take(&inbox));
	CHECK(pd_inbox_rest(&inbox));
	CHECK(pd_inbox_push(&inbox, &link_[0]));
	CHECK(!pd_inbox_poke(&inbox));
	CHECK(!pd_inbox_rest(&inbox));
	CHECK(pd_inbox_take(&inbox) == &link_[0]);
	CHECK(pd_inbox_rest(&inbox));
}

/* Several producers; the consumer is whoever was told to start it: never two at once, nothing lost, each producer's order kept. */
enum { PRODUCERS = 3, EACH = 20000 };
struct node {
	void *link;
	int producer, number;
};
static struct pd_inbox busy;
static atomic_int consumers;
static int seen[PRODUCERS]; /* the consumer's */
static atomic_int total;

static void consume(void)
{
	CHECK_EQ(atomic_fetch_add(&consumers, 1), 0);
	for (;;) {
		void **link = pd_inbox_take(&busy);

		while (link) {
			struct node *node = (struct node *)(void *)link;

			link = *link;
			CHECK_EQ(node->number, seen[node->producer]);
			seen[node->producer]++;
			atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
			free(node);
		}
		CHECK_EQ(atomic_fetch_sub(&consumers, 1), 1);
		if (pd_inbox_rest(&busy))
			return;
		CHECK_EQ(atomic_fetch_add(&consumers, 1), 0);
	}
}

static void *produce(void *arg)
{
	for (int i = 0; i < EACH; i++) {
		struct node *node = malloc(sizeof(*node));

		node->producer = *(int *)arg;
		node->number = i;
		if (pd_inbox_push(&busy, &node->link))
			consume();
		if (i % 7 == 0 && pd_inbox_poke(&busy))
			consume();
	}
	return NULL;
}

static void one_consumer_at_a_time(void)
{
	pthread_t threads[PRODUCERS];
	int name[PRODUCERS];

	pd_inbox_init(&busy);
	for (int i = 0; i < PRODUCERS; i++) {
		name[i] = i;
		CHECK_EQ(pthread_create(&threads[i], NULL, produce, &name[i]), 0);
	}
	for (int i = 0; i < PRODUCERS; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	CHECK_EQ(atomic_load(&total), PRODUCERS * EACH);
	CHECK(pd_inbox_idle(&busy));
}

static const struct test_case cases[] = {
	{"inbox: first in, first out", first_in_first_out},
	{"inbox: a poke is not lost", a_poke_is_not_lost},
	{"inbox: one consumer at a time, nothing lost", one_consumer_at_a_time},
};

TEST_MAIN(cases)

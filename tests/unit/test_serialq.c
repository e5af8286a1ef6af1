/* SPDX-License-Identifier: MIT */

/* The serial queue: what is put comes out in order once it is published, past the end of the ring too. */

#include "serialq.h"
#include "test.h"

#include <pthread.h>
#include <sched.h>

static int task[64];

static void published_in_order(void)
{
	struct pd_serialq q;
	int out = 0;

	CHECK_EQ(pd_serialq_init(&q, 5), 0);
	CHECK(!pd_serialq_look(&q));
	for (int in = 0; in < 60; in += 5) {
		for (int i = 0; i < 5; i++)
			pd_serialq_put(&q, &task[in + i]);
		CHECK(!pd_serialq_look(&q));
		CHECK(!pd_serialq_stirs(&q));
		pd_serialq_publish(&q);
		CHECK(pd_serialq_stirs(&q));
		CHECK_EQ(pd_serialq_count(&q), in + 5);
		for (int i = 0; i < 5; i++) {
			CHECK(pd_serialq_look(&q) == &task[out]);
			CHECK(pd_serialq_look(&q) == &task[out]);
			pd_serialq_take(&q);
			out++;
		}
		CHECK(!pd_serialq_look(&q));
	}
	pd_serialq_destroy(&q);
}

static void resized(void)
{
	struct pd_serialq q;

	CHECK_EQ(pd_serialq_init(&q, 1), 0);
	for (unsigned int size = 1; size <= 64; size++) {
		CHECK_EQ(pd_serialq_resize(&q, size), 0);
		for (unsigned int i = 0; i < size; i++)
			pd_serialq_put(&q, &task[i]);
		pd_serialq_publish(&q);
		for (unsigned int i = 0; i < size; i++) {
			CHECK(pd_serialq_look(&q) == &task[i]);
			pd_serialq_take(&q);
		}
		CHECK(!pd_serialq_look(&q));
	}
	pd_serialq_destroy(&q);
}

/* A producer that is told, as padata's are, when a place is free again. */
enum { TASKS = 200000, SIZE = 16 };
static struct pd_serialq shared;
static _Atomic uint64_t completed;

static void *produce(void *unused)
{
	(void)unused;
	for (uint64_t n = 0; n < TASKS; n++) {
		while (n >= atomic_load_explicit(&completed, memory_order_acquire) + SIZE)
			sched_yield();
		task[n % 64] = (int)n;
		pd_serialq_put(&shared, &task[n % 64]);
		if (n % 3 == 0 || n + 1 == TASKS || n % SIZE == SIZE - 1)
			pd_serialq_publish(&shared);
	}
	return NULL;
}

static void two_threads(void)
{
	pthread_t producer;

	CHECK_EQ(pd_serialq_init(&shared, SIZE), 0);
	CHECK_EQ(pthread_create(&producer, NULL, produce, NULL), 0);
	for (int n = 0; n < TASKS;) {
		int *next = pd_serialq_look(&shared);

		if (!next) {
			sched_yield();
			continue;
		}
		CHECK_EQ(*next, n);
		pd_serialq_take(&shared);
		n++;
		atomic_store_explicit(&completed, (uint64_t)n, memory_order_release);
	}
	CHECK_EQ(pthread_join(producer, NULL), 0);
	pd_serialq_destroy(&shared);
}

static const struct test_case cases[] = {
	{"E2 serial queue: in order, once published", published_in_order},
	{"S4 serial queue: every size after another", resized},
	{"E5 serial queue: one producer, one consumer", two_threads},
};

TEST_MAIN(cases)

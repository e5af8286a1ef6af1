/* SPDX-License-Identifier: MIT */

/* The components alone, small enough to be searched deeper: the window, the inbox, parking, the serial queue. */

#include "sched.h"

#include "futex.h"
#include "inbox.h"
#include "serialq.h"
#include "window.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

/* The window: two claimers, who deliver in order, and one producer, who passes the end of the ring. */

struct item {
	int input, output;
};

static struct pd_window window;
static struct item items[8];
static int n_items, delivered, delivering;
static uint64_t first_seq;
static atomic_uint finished;

static void deliver_items(void)
{
	uint64_t seq;

	if (!pd_window_pick_up(&window, &seq))
		return;
	do {
		struct item *item;
		uint16_t tag;

		SCHED_CHECK(delivering++ == 0 && seq == first_seq + (uint64_t)delivered);
		while ((item = pd_window_take(&window, seq, &tag))) {
			SCHED_CHECK(item == &items[delivered] && tag == delivered + 7);
			SCHED_CHECK(item->output == item->input + 1);
			delivered++;
			seq++;
			pd_window_allow(&window, seq + 2);
		}
		pd_window_taken(&window, seq);
		delivering--;
	} while (!pd_window_park(&window, &seq));
}

static void *claim_and_finish(void *unused)
{
	(void)unused;
	while (atomic_load_explicit(&finished, memory_order_relaxed) < (unsigned int)n_items) {
		uint64_t seq;
		unsigned int n = pd_window_claim(&window, 2, 2, &seq);

		if (!n) {
			sched_yield();
			continue;
		}
		for (; n; n--, seq++) {
			struct item *item = pd_window_task(&window, seq);
			uint16_t tag = (uint16_t)(item - items + 7);

			item->output = item->input + 1;
			SCHED_CHECK(pd_window_done(&window, seq, tag));
			atomic_thread_fence(memory_order_seq_cst);
			deliver_items();
			atomic_fetch_add_explicit(&finished, 1, memory_order_relaxed);
		}
	}
	return NULL;
}

static void produce_items(int n)
{
	while (n--) {
		enum pd_reserve result;
		unsigned int one = 1;
		uint64_t seq, i;

		while ((result = pd_window_reserve(&window, pd_window_gate(&window), &seq, &one)) ==
			   PD_FULL ||
		       result == PD_AGAIN)
			sched_yield();
		SCHED_CHECK(result == PD_RESERVED);
		i = seq - first_seq;
		SCHED_CHECK(i < (uint64_t)n_items && !items[i].input);
		items[i].input = (int)i + 3;
		pd_window_publish(&window, seq, &items[i]);
	}
}

static void begin_window(int n, uint64_t first)
{
	n_items = n;
	first_seq = first;
	SCHED_CHECK(pd_window_init(&window, 2, first) == 0);
	atomic_fetch_and_explicit(&window.gate, ~(uint64_t)PD_GATE_STOPPED, memory_order_release);
}

static void window_of_two(int n, uint64_t first, int claimers)
{
	pthread_t claimer[2];

	begin_window(n, first);
	for (int i = 0; i < claimers; i++)
		pthread_create(&claimer[i], NULL, claim_and_finish, NULL);
	produce_items(n);
	for (int i = 0; i < claimers; i++)
		pthread_join(claimer[i], NULL);
	SCHED_CHECK(delivered == n);
	pd_window_destroy(&window);
}

static void window_one_claimer(void)
{
	window_of_two(3, 0, 1);
}

static void window_two_claimers(void)
{
	window_of_two(2, 0, 2);
}

/* Past the end of the ring, twice, from where the sequence has run long. */
static void window_wraps(void)
{
	window_of_two(6, ((uint64_t)1 << 57) - 3, 2);
}

/*
 * A slot gets the tasks of two laps from two producers. The second knows of the first, and of all that became of his
 * task, by the limit alone, which is raised without a fence, as by a producer who has counted what completed; and yet
 * the later task is the one that stays in the slot.
 */
static void *pass_two_and_allow(void *unused)
{
	uint64_t seq;
	uint16_t tag;

	for (seq = 0; seq < 2; seq++)
		pd_window_publish(&window, seq, &items[seq]);
	SCHED_CHECK(pd_window_claim_own(&window, 0, 2));
	for (seq = 0; seq < 2; seq++)
		SCHED_CHECK(pd_window_done(&window, seq, 0));
	SCHED_CHECK(pd_window_pick_up(&window, &seq));
	while (pd_window_take(&window, seq, &tag))
		seq++;
	pd_window_taken(&window, seq);
	pd_window_allow(&window, seq + 2);
	return unused;
}

static void window_of_two_producers(void)
{
	unsigned int two = 2;
	pthread_t first;
	uint64_t seq;

	begin_window(3, 0);
	SCHED_CHECK(pd_window_reserve(&window, pd_window_gate(&window), &seq, &two) == PD_RESERVED && two == 2);
	pthread_create(&first, NULL, pass_two_and_allow, NULL);
	produce_items(1);
	pthread_join(first, NULL);
	SCHED_CHECK(pd_window_claim(&window, 1, 1, &seq) == 1 && seq == 2);
	SCHED_CHECK(pd_window_task(&window, seq) == &items[2]);
	pd_window_destroy(&window);
}

/*
 * Who published claims his own: the next claimer sees what came to each slot since, and no task of two laps
 * ago, which looks like the next one.
 */
static void *publish_and_claim(void *unused)
{
	for (uint64_t seq = 3; seq >= 2; seq--)
		pd_window_publish(&window, seq, &items[seq]);
	pd_window_claim_own(&window, 2, 2);
	return unused;
}

static void window_claimed_by_its_producer(void)
{
	pthread_t producer;
	uint64_t seq;

	SCHED_CHECK(pd_window_init(&window, 2, 0) == 0);
	for (seq = 0; seq < 2; seq++)
		pd_window_publish(&window, seq, &items[seq]);
	SCHED_CHECK(pd_window_claim_own(&window, 0, 2));
	pthread_create(&producer, NULL, publish_and_claim, NULL);
	for (int tries = 0; tries < 3; tries++)
		if (pd_window_claim(&window, 1, 1, &seq))
			SCHED_CHECK(pd_window_task(&window, seq) == &items[seq] && seq >= 2 && seq < 4);
	pthread_join(producer, NULL);
	pd_window_destroy(&window);
}

/* The inbox: pushers and one consumer, who is started by whoever finds it at rest. */

static struct pd_inbox inbox;
static struct pd_parker parker;
static struct node {
	void *next;
	int value;
} nodes[4];
static int taken;

static void *consume(void *argument)
{
	int expected = (int)(uintptr_t)argument;

	/* As a worker begins: at rest, and to be woken. */
	for (;;) {
		void **node;

		pd_park(&parker);
		do {
			for (node = pd_inbox_take(&inbox); node;) {
				struct node *n = (struct node *)(void *)node;

				node = *node;
				SCHED_CHECK(n->value == 7);
				n->value = 0;
				taken++;
			}
		} while (!pd_inbox_rest(&inbox));
		if (taken == expected)
			return NULL;
	}
}

static void push_node(int i)
{
	nodes[i].value = 7;
	if (pd_inbox_push(&inbox, &nodes[i].next))
		pd_unpark(&parker);
}

static void *push_third(void *unused)
{
	(void)unused;
	push_node(2);
	return NULL;
}

static void inbox_push_and_take(void)
{
	pthread_t consumer, other;

	pd_inbox_init(&inbox);
	pthread_create(&consumer, NULL, consume, (void *)3);
	pthread_create(&other, NULL, push_third, NULL);
	push_node(0);
	push_node(1);
	pthread_join(other, NULL);
	pthread_join(consumer, NULL);
	SCHED_CHECK(taken == 3);
}

/* What was written before a poke is seen by the look that it causes. */
static atomic_int wish;

static void *consume_pokes(void *unused)
{
	(void)unused;
	for (;;) {
		bool seen = false;

		pd_park(&parker);
		do {
			pd_inbox_take(&inbox);
			seen = seen || atomic_load_explicit(&wish, memory_order_relaxed) == 2;
		} while (!pd_inbox_rest(&inbox));
		if (seen)
			return NULL;
	}
}

static void inbox_poke(void)
{
	pthread_t consumer;

	pd_inbox_init(&inbox);
	pthread_create(&consumer, NULL, consume_pokes, NULL);
	for (int i = 1; i <= 2; i++) {
		atomic_store_explicit(&wish, i, memory_order_relaxed);
		if (pd_inbox_poke(&inbox))
			pd_unpark(&parker);
	}
	pthread_join(consumer, NULL);
}

/* The serial queue: two places, which a producer uses again when it is told that a task has completed. */

static struct pd_serialq serialq;
static atomic_int completed;

static void *complete_in_order(void *unused)
{
	(void)unused;
	for (int n = 0; n < 4;) {
		struct item *item = pd_serialq_look(&serialq);

		if (!item) {
			sched_yield();
			continue;
		}
		SCHED_CHECK(item == &items[n] && item->output == n);
		pd_serialq_take(&serialq);
		atomic_store_explicit(&completed, ++n, memory_order_release);
	}
	return NULL;
}

static void serialq_of_two(void)
{
	pthread_t consumer;

	SCHED_CHECK(pd_serialq_init(&serialq, 2) == 0);
	pthread_create(&consumer, NULL, complete_in_order, NULL);
	for (int n = 0; n < 4; n++) {
		while (n >= atomic_load_explicit(&completed, memory_order_acquire) + 2)
			sched_yield();
		items[n].output = n;
		pd_serialq_put(&serialq, &items[n]);
		if (n)
			pd_serialq_publish(&serialq);
	}
	pthread_join(consumer, NULL);
	SCHED_CHECK(!pd_serialq_look(&serialq));
	pd_serialq_destroy(&serialq);
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
	    {"window_one_claimer", window_one_claimer, 3, 1, false},
	    {"window_two_claimers", window_two_claimers, 3, 0, false},
	    {"window_wraps", window_wraps, 3, 0, false},
	    {"window_of_two_producers", window_of_two_producers, 3, 1, false},
	    {"window_claimed_by_its_producer", window_claimed_by_its_producer, 3, 1, false},
	    {"inbox_push_and_take", inbox_push_and_take, 3, 0, false},
	    {"inbox_poke", inbox_poke, 3, 1, false},
	    {"serialq_of_two", serialq_of_two, 3, 1, false},
	};

	return sched_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}

/* SPDX-License-Identifier: MIT */

/* The order alone, without threads of the library: each transition, each size, each lap, and around 2^32. */

#include "test.h"
#include "window.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum { TASKS = 64 };
static long task[TASKS];
static const uint64_t firsts[] = {0, 1, UINT32_MAX - 5, (1ull << 58) - 200};

static enum pd_reserve try_reserve(struct pd_window *w, uint64_t *seq)
{
	unsigned int n = 1;

	return pd_window_reserve(w, pd_window_gate(w), seq, &n);
}

static uint64_t reserve(struct pd_window *w)
{
	uint64_t seq = 0;

	CHECK_EQ(try_reserve(w, &seq), PD_RESERVED);
	return seq;
}

static void open_gate(struct pd_window *w)
{
	atomic_fetch_and(&w->gate, ~(uint64_t)(PD_GATE_STOPPED | PD_GATE_CHANGING));
}

/* In as many runs as it takes: a long one ends with a cache line. */
static void claim_all(struct pd_window *w, unsigned int n, uint64_t *first)
{
	uint64_t next;
	unsigned int claimed = pd_window_claim(w, 64, 1, first);

	while (claimed < n) {
		unsigned int more = pd_window_claim(w, 64, 1, &next);

		CHECK(more > 0);
		CHECK_EQ(next, *first + claimed);
		claimed += more;
	}
	CHECK_EQ(claimed, n);
}

static _Thread_local uint16_t tag; /* of the task last taken */

static void pass_one_by_one(unsigned int size, uint64_t first)
{
	struct pd_window w;

	CHECK_EQ(pd_window_init(&w, size, first), 0);
	open_gate(&w);
	for (uint64_t n = 0; n < 5 * size; n++) {
		uint64_t seq = reserve(&w), claimed = 0, taken;

		CHECK_EQ(seq, first + n);
		CHECK(!pd_window_claimable(&w));
		pd_window_publish(&w, seq, &task[n % TASKS]);
		CHECK(pd_window_claimable(&w));
		CHECK_EQ(pd_window_claim(&w, 32, 1, &claimed), 1);
		CHECK_EQ(claimed, seq);
		CHECK(!pd_window_claimable(&w));
		CHECK(pd_window_task(&w, seq) == &task[n % TASKS]);
		CHECK(!pd_window_take(&w, seq, &tag));
		CHECK(!pd_window_deliverable(&w) && !pd_window_pick_up(&w, &taken));
		CHECK(pd_window_done(&w, seq, (uint16_t)n));
		CHECK(pd_window_deliverable(&w));
		CHECK(pd_window_pick_up(&w, &taken));
		CHECK_EQ(taken, seq);
		CHECK(!pd_window_deliverable(&w) && !pd_window_pick_up(&w, &taken));
		CHECK(pd_window_take(&w, seq, &tag) == &task[n % TASKS]);
		CHECK_EQ(tag, (uint16_t)n);
		CHECK(!pd_window_take(&w, ++taken, &tag));
		pd_window_taken(&w, taken);
		CHECK(pd_window_park(&w, &taken));
		pd_window_allow(&w, seq + 1 + size);
	}
	pd_window_destroy(&w);
}

static void every_size(void)
{
	for (size_t f = 0; f < sizeof(firsts) / sizeof(firsts[0]); f++) {
		for (unsigned int size = 1; size <= 9; size++)
			pass_one_by_one(size, firsts[f]);
		pass_one_by_one(1024, firsts[f]);
	}
}

static void gate_refuses(void)
{
	struct pd_window w;
	uint64_t seq = 77, gate;
	unsigned int n = 1;

	CHECK_EQ(pd_window_init(&w, 2, 0), 0);
	CHECK_EQ(try_reserve(&w, &seq), PD_STOPPED);
	open_gate(&w);
	atomic_fetch_or(&w.gate, PD_GATE_CHANGING);
	CHECK_EQ(try_reserve(&w, &seq), PD_CHANGING);
	CHECK_EQ(seq, 77);
	gate = pd_window_gate(&w) & ~(uint64_t)PD_GATE_CHANGING;
	pd_window_skip(&w);
	open_gate(&w);
	/* M2: what was prepared before a change of masks does not succeed after it. */
	CHECK_EQ(pd_window_reserve(&w, gate, &seq, &n), PD_AGAIN);
	pd_window_allow(&w, 3);
	n = 5;
	CHECK_EQ(pd_window_reserve(&w, pd_window_gate(&w), &seq, &n), PD_RESERVED);
	CHECK_EQ(seq, 1);
	CHECK_EQ(n, 2); /* as many as there is room for */
	CHECK_EQ(try_reserve(&w, &seq), PD_FULL);
	pd_window_destroy(&w);
}

/* Finished in every order of four: taken in the order of submission, by the one who finished the oldest. */
static void every_order_of_finishing(void)
{
	for (int code = 0; code < 256; code++) {
		int order[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 & 3};
		bool finished[4] = {false};
		struct pd_window w;
		uint64_t first, next = 0;

		if (((1 << order[0]) | (1 << order[1]) | (1 << order[2]) | (1 << order[3])) != 15)
			continue;
		CHECK_EQ(pd_window_init(&w, 4, 0), 0);
		open_gate(&w);
		for (int i = 0; i < 4; i++)
			pd_window_publish(&w, reserve(&w), &task[i]);
		CHECK_EQ(pd_window_claim(&w, 32, 1, &first), 4);
		for (int i = 0; i < 4; i++) {
			CHECK(pd_window_done(&w, (uint64_t)order[i], (uint16_t)order[i]));
			finished[order[i]] = true;
			CHECK_EQ(pd_window_pick_up(&w, &first), (uint64_t)order[i] == next);
			if (!finished[next])
				continue;
			CHECK_EQ(first, next);
			while (pd_window_take(&w, next, &tag)) {
				CHECK(finished[next]);
				CHECK_EQ(tag, next);
				next++;
			}
			first = next;
			CHECK(pd_window_park(&w, &first));
		}
		CHECK_EQ(next, 4);
		pd_window_destroy(&w);
	}
}

static void twice_is_seen(void)
{
	struct pd_window w;
	uint64_t first;

	CHECK_EQ(pd_window_init(&w, 4, 0), 0);
	open_gate(&w);
	for (int i = 0; i < 2; i++)
		pd_window_publish(&w, reserve(&w), &task[i]);
	CHECK_EQ(pd_window_claim(&w, 32, 1, &first), 2);
	CHECK(pd_window_done(&w, 1, 0));
	CHECK(!pd_window_done(&w, 1, 0));
	CHECK(pd_window_done(&w, 0, 0));
	CHECK(!pd_window_done(&w, 0, 0));
	CHECK(pd_window_pick_up(&w, &first) && pd_window_take(&w, 0, &tag) && pd_window_take(&w, 1, &tag));
	CHECK(!pd_window_done(&w, 0, 0) && !pd_window_done(&w, 1, 0));
	pd_window_destroy(&w);
}

static void few_are_shared(void)
{
	struct pd_window w;
	uint64_t first;

	CHECK_EQ(pd_window_init(&w, 16, 0), 0);
	open_gate(&w);
	for (int i = 0; i < 10; i++)
		pd_window_publish(&w, reserve(&w), &task[i]);
	CHECK_EQ(pd_window_claim(&w, 4, 2, &first), 4);
	CHECK_EQ(pd_window_claim(&w, 32, 2, &first), 3);
	CHECK_EQ(first, 4);
	CHECK_EQ(pd_window_claim(&w, 32, 3, &first), 1);
	CHECK_EQ(pd_window_claim(&w, 32, 1, &first), 2);
	CHECK_EQ(pd_window_claim(&w, 32, 1, &first), 0);
	pd_window_destroy(&w);
}

/* Who publishes the first task last claims them all, unless others are before them. */
static void own_are_claimed(void)
{
	struct pd_window w;
	uint64_t first;

	CHECK_EQ(pd_window_init(&w, 8, 0), 0);
	open_gate(&w);
	for (int i = 0; i < 6; i++)
		CHECK_EQ(reserve(&w), i);
	pd_window_publish(&w, 1, &task[1]);
	CHECK_EQ(pd_window_claim(&w, 8, 1, &first), 0);
	pd_window_publish(&w, 0, &task[0]);
	CHECK(pd_window_claim_own(&w, 0, 2));
	CHECK(!pd_window_claim_own(&w, 0, 2));
	CHECK_EQ(pd_window_claim(&w, 8, 1, &first), 0);
	pd_window_publish(&w, 4, &task[4]);
	CHECK(!pd_window_claim_own(&w, 4, 1));
	for (uint64_t seq = 2; seq < 6; seq++)
		pd_window_publish(&w, seq, &task[seq]);
	CHECK_EQ(pd_window_claim(&w, 1, 1, &first), 1);
	CHECK_EQ(first, 2);
	CHECK(!pd_window_claim_own(&w, 2, 4));
	CHECK(pd_window_claim_own(&w, 3, 3));
	pd_window_destroy(&w);
}

static void resized(void)
{
	struct pd_window w;

	CHECK_EQ(pd_window_init(&w, 2, UINT32_MAX), 0);
	for (unsigned int size = 1; size < 40; size++) {
		uint64_t first;

		CHECK_EQ(pd_window_resize(&w, size), 0);
		open_gate(&w);
		for (unsigned int i = 0; i < size; i++)
			pd_window_publish(&w, reserve(&w), &task[i]);
		CHECK_EQ(try_reserve(&w, &first), PD_FULL);
		claim_all(&w, size, &first);
		for (unsigned int i = size; i-- > 0;)
			CHECK(pd_window_done(&w, first + i, 0) && pd_window_deliverable(&w) == !i);
		CHECK(pd_window_pick_up(&w, &first));
		for (unsigned int i = 0; i < size; i++)
			CHECK(pd_window_take(&w, first++, &tag) == &task[i]);
		CHECK(pd_window_park(&w, &first));
		atomic_fetch_or(&w.gate, PD_GATE_STOPPED);
	}
	pd_window_destroy(&w);
}

/* Threads that each submit, claim, finish and deliver what they can, around 2^32. */
enum { THREADS = 4, PER_THREAD = 20000 };
static struct pd_window shared;
static const uint64_t shared_first = UINT32_MAX - PER_THREAD;
static _Atomic uint64_t delivered;

/* Behind a barrier after a task was done. */
static void deliver(void)
{
	uint64_t seq;

	if (!pd_window_pick_up(&shared, &seq))
		return;
	do {
		while (pd_window_take(&shared, seq, &tag)) {
			CHECK_EQ(atomic_load_explicit(&delivered, memory_order_relaxed), seq);
			atomic_store_explicit(&delivered, ++seq, memory_order_relaxed);
		}
		pd_window_allow(&shared, seq + 16);
	} while (!pd_window_park(&shared, &seq));
}

static void finish(uint64_t seq)
{
	CHECK(pd_window_task(&shared, seq));
	CHECK(pd_window_done(&shared, seq, 0));
	atomic_thread_fence(memory_order_seq_cst);
	deliver();
}

static void *toil(void *arg)
{
	for (int left = PER_THREAD; left > 0;) {
		uint64_t seq, first;
		unsigned int n;

		if (try_reserve(&shared, &seq) == PD_RESERVED) {
			pd_window_publish(&shared, seq, arg);
			left--;
		}
		n = pd_window_claim(&shared, 3, 2, &first);
		if (!n)
			sched_yield();
		while (n-- > 0)
			finish(first + n);
	}
	return NULL;
}

static void many_threads(void)
{
	pthread_t threads[THREADS];
	uint64_t first;

	CHECK_EQ(pd_window_init(&shared, 16, shared_first), 0);
	atomic_init(&delivered, shared_first);
	open_gate(&shared);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, toil, &task[i]), 0);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	while (pd_window_claim(&shared, 1, 1, &first))
		finish(first);
	CHECK_EQ(atomic_load(&delivered), shared_first + (uint64_t)THREADS * PER_THREAD);
	pd_window_destroy(&shared);
}

static const struct test_case cases[] = {
	{"E2 window: one task after the other, every size, near 2^32", every_size},
	{"S1 window: the gate refuses, and a stale reservation fails", gate_refuses},
	{"E2 window: finished in every order, taken in one", every_order_of_finishing},
	{"E8 window: a second done is seen", twice_is_seen},
	{"window: a few tasks are shared among the claimers", few_are_shared},
	{"window: the publisher claims its own", own_are_claimed},
	{"S4 window: every size after another", resized},
	{"E2 window: many threads, around 2^32", many_threads},
};

TEST_MAIN(cases)

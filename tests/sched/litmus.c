/* SPDX-License-Identifier: MIT */

/*
 * The memory model against the classic shapes. Each shape asserts that its
 * weak outcome does not happen. With -DWEAK=0 the orders forbid it, and no schedule
 * shows it; with -DWEAK=1 one of them is a step too weak, and the outcome has to be found.
 */

#include "sched.h"

#include <pthread.h>
#include <stdatomic.h>

#define STRONG_OR(strong, weak) (WEAK ? memory_order_##weak : memory_order_##strong)
#define RLX memory_order_relaxed
#define LOAD(x, order) atomic_load_explicit(&(x), order)
#define STORE(x, v, order) atomic_store_explicit(&(x), v, order)

static atomic_int x, y, z;
static int r[8], plain;
static void (*bodies[4])(void);

static void *run_body(void *i)
{
	bodies[(uintptr_t)i]();
	return NULL;
}

static void together(int n, void (*a)(void), void (*b)(void), void (*c)(void), void (*d)(void))
{
	pthread_t threads[4];

	bodies[0] = a;
	bodies[1] = b;
	bodies[2] = c;
	bodies[3] = d;
	for (uintptr_t i = 0; i < (uintptr_t)n; i++)
		pthread_create(&threads[i], NULL, run_body, (void *)i);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static void fence(void)
{
	if (!WEAK)
		atomic_thread_fence(memory_order_seq_cst);
}

static void write_x(void)
{
	STORE(x, 1, STRONG_OR(seq_cst, release));
}

static void write_y(void)
{
	STORE(y, 1, STRONG_OR(seq_cst, release));
}

/* Store buffering. */
static void sb_x(void)
{
	write_x();
	r[0] = LOAD(y, STRONG_OR(seq_cst, acquire));
}

static void sb_y(void)
{
	write_y();
	r[1] = LOAD(x, STRONG_OR(seq_cst, acquire));
}

static void store_buffering(void)
{
	together(2, sb_x, sb_y, NULL, NULL);
	SCHED_CHECK(r[0] || r[1]);
}

static void sbf_x(void)
{
	STORE(x, 1, RLX);
	fence();
	r[0] = LOAD(y, RLX);
}

static void sbf_y(void)
{
	STORE(y, 1, RLX);
	atomic_thread_fence(memory_order_seq_cst);
	r[1] = LOAD(x, RLX);
}

static void store_buffering_fences(void)
{
	together(2, sbf_x, sbf_y, NULL, NULL);
	SCHED_CHECK(r[0] || r[1]);
}

/* A seq_cst read-modify-write is no fence (where the fence is left out). */
static void sbr_x(void)
{
	STORE(x, 1, RLX);
	fence();
	atomic_fetch_add(&z, 1);
	r[0] = LOAD(y, RLX);
}

static void store_buffering_rmw(void)
{
	together(2, sbr_x, sbf_y, NULL, NULL);
	SCHED_CHECK(r[0] || r[1]);
}

/* Message passing, of a plain object: the weak outcome is the race. */
static void mp_send(void)
{
	plain = 7;
	STORE(x, 1, STRONG_OR(release, relaxed));
}

static void mp_receive(void)
{
	if (LOAD(x, memory_order_acquire))
		SCHED_CHECK(plain == 7);
}

static void message_passing(void)
{
	together(2, mp_send, mp_receive, NULL, NULL);
}

/* ... by fences. */
static void mpf_send(void)
{
	STORE(y, 1, RLX);
	if (!WEAK)
		atomic_thread_fence(memory_order_release);
	STORE(x, 1, RLX);
}

static void mpf_receive(void)
{
	if (!LOAD(x, RLX))
		return;
	atomic_thread_fence(memory_order_acquire);
	SCHED_CHECK(LOAD(y, RLX));
}

static void message_passing_fences(void)
{
	together(2, mpf_send, mpf_receive, NULL, NULL);
}

/* ... through a read-modify-write of a third thread, which continues the release sequence; a store ends it. */
static void rs_between(void)
{
	if (WEAK) {
		if (LOAD(x, RLX) == 1)
			STORE(x, 2, RLX);
	} else {
		int one = 1;

		atomic_compare_exchange_strong_explicit(&x, &one, 2, RLX, RLX);
	}
}

static void rs_send(void)
{
	plain = 7;
	STORE(x, 1, memory_order_release);
}

static void rs_receive(void)
{
	if (LOAD(x, memory_order_acquire) == 2)
		SCHED_CHECK(plain == 7);
}

static void release_sequence(void)
{
	together(3, rs_send, rs_between, rs_receive, NULL);
}

/* Independent reads of independent writes. */
static void read_xy(void)
{
	r[0] = LOAD(x, STRONG_OR(seq_cst, acquire));
	r[1] = LOAD(y, STRONG_OR(seq_cst, acquire));
}

static void read_yx(void)
{
	r[2] = LOAD(y, STRONG_OR(seq_cst, acquire));
	r[3] = LOAD(x, STRONG_OR(seq_cst, acquire));
}

static void iriw(void)
{
	together(4, write_x, write_y, read_xy, read_yx);
	SCHED_CHECK(!(r[0] && !r[1] && r[2] && !r[3]));
}

/* Two writers to both: the order in which the stores land. */
static void w22_a(void)
{
	STORE(x, 1, RLX);
	STORE(y, 2, STRONG_OR(release, relaxed));
}

static void w22_b(void)
{
	if (!WEAK && LOAD(y, memory_order_acquire) != 2)
		return;
	STORE(y, 1, RLX);
	STORE(x, 2, RLX);
}

static void two_plus_two_writes(void)
{
	together(2, w22_a, w22_b, NULL, NULL);
	SCHED_CHECK(!(LOAD(x, RLX) == 1 && LOAD(y, RLX) == 1));
}

/* A read-modify-write reads what it lands behind: two of them never read the same. */
static void add_x(void)
{
	if (WEAK)
		STORE(x, LOAD(x, RLX) + 1, RLX);
	else
		atomic_fetch_add_explicit(&x, 1, RLX);
}

static void atomicity(void)
{
	together(3, add_x, add_x, add_x, NULL);
	SCHED_CHECK(LOAD(x, RLX) == 3);
}

/* Coherence: no thread sees one object go back (it may, if it is two objects). */
static void twice_x(void)
{
	STORE(x, 1, RLX);
	STORE(*(WEAK ? &y : &x), 2, RLX);
}

static void look_twice(void)
{
	r[0] = LOAD(*(WEAK ? &y : &x), RLX);
	r[1] = LOAD(x, RLX);
}

static void coherence(void)
{
	together(2, twice_x, look_twice, NULL, NULL);
	SCHED_CHECK(!(r[0] == 2 && r[1] == 0));
}

/* From write to read causality, over two threads. */
static void wrc_pass(void)
{
	if (LOAD(x, memory_order_acquire))
		STORE(y, 1, STRONG_OR(release, relaxed));
}

static void wrc_read(void)
{
	if (LOAD(y, memory_order_acquire))
		SCHED_CHECK(LOAD(x, RLX));
}

static void wrc_write(void)
{
	STORE(x, 1, memory_order_release);
}

static void write_read_causality(void)
{
	together(3, wrc_write, wrc_pass, wrc_read, NULL);
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
		{"store_buffering", store_buffering, 3, 3, false},
		{"store_buffering_fences", store_buffering_fences, 3, 3, false},
		{"store_buffering_rmw", store_buffering_rmw, 3, 3, false},
		{"message_passing", message_passing, 3, 3, false},
		{"message_passing_fences", message_passing_fences, 3, 3, false},
		{"release_sequence", release_sequence, 3, 3, false},
		{"iriw", iriw, 2, 3, false},
		{"two_plus_two_writes", two_plus_two_writes, 3, 3, false},
		{"atomicity", atomicity, 3, 3, false},
		{"coherence", coherence, 3, 3, false},
		{"write_read_causality", write_read_causality, 3, 3, false},
	};

	return sched_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}

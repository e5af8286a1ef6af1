/* SPDX-License-Identifier: MIT */
/* One order of submission, kept by serial() (S3, E2). */

#include "contract.h"

static struct rig rig;

/* A clock that every producer reads before and after each call. */
static atomic_long tick;
enum { PER_PRODUCER = 3000 };

struct timed {
	struct padata_priv p;
	int producer, number, cb_cpu;
	long before, after;
};

static struct timed **order;
static atomic_int ordered;

static void finish(struct padata_priv *padata)
{
	padata_do_serial(padata);
}

static void serial_order(struct padata_priv *padata)
{
	order[atomic_fetch_add(&ordered, 1)] = container_of(padata, struct timed, p);
}

static void *produce(void *argument)
{
	struct timed *t = argument;
	for (int i = 0; i < PER_PRODUCER; i++) {
		int result;
		for (;;) {
			t[i].before = atomic_fetch_add(&tick, 1);
			result = padata_do_parallel(rig.inst, &t[i].p, t[i].cb_cpu);
			t[i].after = atomic_fetch_add(&tick, 1);
			if (result != -EBUSY)
				break;
			CHECK_EQ(padata_wait_room(rig.inst), 0);
		}
		CHECK_EQ(result, -EINPROGRESS);
	}
	return NULL;
}

/* All tasks have one cb_cpu, so that the order of serial() is the order of submission. */
static void producers_have_one_order(int producers, unsigned int window)
{
	rig = rig_make(window);
	int n = producers * PER_PRODUCER;
	struct timed *t = calloc((size_t)n, sizeof(*t));
	order = calloc((size_t)n, sizeof(struct timed *));
	CHECK(t && order);
	atomic_store(&ordered, 0);
	pthread_t threads[8];
	for (int i = 0; i < n; i++) {
		t[i].p.parallel = finish;
		t[i].p.serial = serial_order;
		t[i].producer = i / PER_PRODUCER;
		t[i].number = i % PER_PRODUCER;
		t[i].cb_cpu = usable_cpu((unsigned int)usable_cpus() - 1);
	}
	for (int i = 0; i < producers; i++)
		threads[i] = thread(produce, t + i * PER_PRODUCER);
	for (int i = 0; i < producers; i++)
		join(threads[i]);
	rig_end(rig);
	CHECK_EQ(atomic_load(&ordered), n);

	int next[8] = {0};
	for (int i = 0; i < n; i++)
		CHECK_EQ(order[i]->number, next[order[i]->producer]++);
	/* Nobody stands behind a task whose call began after his own had returned. */
	long earliest_return = INT64_MAX;
	for (int i = n - 1; i >= 0; i--) {
		CHECK(earliest_return > order[i]->before);
		if (order[i]->after < earliest_return)
			earliest_return = order[i]->after;
	}
	free(t);
	free(order);
}

static void several_producers(void)
{
	producers_have_one_order(1, 3);
	producers_have_one_order(2, 2);
	producers_have_one_order(3, 0);
	producers_have_one_order(5, 7);
	producers_have_one_order(7, 1);
}

/* Two threads hand the turn to each other: B submits after A's call returned, for another CPU. */
static sem_t turn[2];
static struct task *alternating;
enum { TURNS = 2000 };

static void *alternate(void *argument)
{
	int me = argument != NULL;
	for (int i = me; i < TURNS; i += 2) {
		wait_for(&turn[me]);
		accept_in_time(rig.inst, &alternating[i], usable_cpu(0));
		sem_post(&turn[!me]);
	}
	return NULL;
}

static void a_call_that_returned_is_before(void)
{
	rig = rig_make(5);
	record_clear();
	sem_init(&turn[0], 0, 1);
	sem_init(&turn[1], 0, 0);
	alternating = tasks_make(TURNS, parallel_finish, serial_note);
	pthread_t a = thread(alternate, NULL), b = thread(alternate, &turn);
	join(a);
	join(b);
	rig_end(rig);
	CHECK_EQ(recorded(), TURNS);
	for (int i = 0; i < TURNS; i++)
		CHECK_EQ(record.ids[i], i);
	free(alternating);
}

/* The oldest task is unfinished: no other serial() begins, whatever its cb_cpu. */
static void all_wait_for_the_oldest(void)
{
	rig = rig_make(0);
	enum { N = 101 };
	for (int round = 0; round < 20; round++) {
		struct task *t = tasks_make(N, parallel_leave, serial_note);
		record_clear();
		for (int i = 0; i < N; i++)
			accept_task(rig.inst, &t[i], usable_cpu((unsigned int)((i + round) % usable_cpus())));
		for (int i = 0; i < N; i++)
			EVENTUALLY(atomic_load(&t[i].parallels) == 1);
		for (int i = N - 1; i > 0; i--)
			padata_do_serial(&t[i].p);
		for (int i = 0; i < usable_cpus(); i++)
			settle(rig.wq, usable_cpu((unsigned int)i));
		CHECK_EQ(recorded(), 0);
		padata_do_serial(&t[0].p);
		CHECK_EQ(padata_flush(rig.inst), 0);
		CHECK_EQ(recorded(), N);
		free(t);
	}
	rig_end(rig);
}

/* Only what stands before the gap comes out. */
static void the_gap_is_exact(void)
{
	rig = rig_make(0);
	enum { N = 17 };
	for (int gap = 0; gap < N; gap++) {
		struct task *t = tasks_make(N, parallel_leave, serial_note);
		record_clear();
		for (int i = 0; i < N; i++)
			accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i % usable_cpus())));
		for (int i = 0; i < N; i++)
			EVENTUALLY(atomic_load(&t[i].parallels) == 1);
		for (int i = N - 1; i >= 0; i--)
			if (i != gap)
				padata_do_serial(&t[i].p);
		EVENTUALLY(recorded() == gap);
		for (int i = 0; i < usable_cpus(); i++)
			settle(rig.wq, usable_cpu((unsigned int)i));
		CHECK_EQ(recorded(), gap);
		for (int i = 0; i < N; i++)
			CHECK_EQ(atomic_load(&t[i].serials), i < gap);
		padata_do_serial(&t[gap].p);
		CHECK_EQ(padata_flush(rig.inst), 0);
		CHECK_EQ(recorded(), N);
		free(t);
	}
	rig_end(rig);
}

/* For each cb_cpu: numbers in order, never two at once; plain variables, for the thread sanitizer's eye. */
static struct lane {
	int next;
	atomic_int inside;
} lanes[PADATA_NR_CPUS];

struct numbered {
	struct padata_priv p;
	int cb_cpu, number;
};

static void serial_lane(struct padata_priv *padata)
{
	struct numbered *t = container_of(padata, struct numbered, p);
	struct lane *lane = &lanes[t->cb_cpu];
	CHECK_EQ(atomic_fetch_add(&lane->inside, 1), 0);
	CHECK_EQ(t->number, lane->next);
	lane->next++;
	if (t->number % 64 == 0)
		sched_yield();
	CHECK_EQ(atomic_fetch_sub(&lane->inside, 1), 1);
}

static void parallel_dawdles(struct padata_priv *padata)
{
	struct numbered *t = container_of(padata, struct numbered, p);
	for (atomic_int i = 0; i < t->number * 7919 % 500; i++)
		;
	padata_do_serial(padata);
}

static void serial_in_order_without_overlap(void)
{
	enum { N = 30000 };
	rig = rig_make(33);
	struct numbered *t = calloc(N, sizeof(*t));
	CHECK(t);
	memset(lanes, 0, sizeof(lanes));
	int numbers[2] = {0};
	uint64_t seed = random_seed();
	for (int i = 0; i < N; i++) {
		int which = usable_cpus() > 1 ? (int)(random_next(&seed) >> 63) : 0;
		t[i].p.parallel = parallel_dawdles;
		t[i].p.serial = serial_lane;
		t[i].cb_cpu = usable_cpu((unsigned int)which);
		t[i].number = numbers[which]++;
		int result;
		while ((result = padata_do_parallel(rig.inst, &t[i].p, t[i].cb_cpu)) == -EBUSY)
			CHECK_EQ(padata_wait_room(rig.inst), 0);
		CHECK_EQ(result, -EINPROGRESS);
	}
	rig_end(rig);
	for (int which = 0; which < 2 && which < usable_cpus(); which++)
		CHECK_EQ(lanes[usable_cpu((unsigned int)which)].next, numbers[which]);
	free(t);
}

/* Each instance has an order of its own: one that stands still holds no other back. */
static void instances_are_independent(void)
{
	rig = rig_make(0);
	struct padata_instance *second = padata_alloc(cpu_active_mask, rig.wq);
	CHECK(second);
	padata_start(second);
	struct task stuck;
	task_init(&stuck, 0, parallel_leave, serial_note);
	accept_task(rig.inst, &stuck, usable_cpu(0));
	struct task *t = tasks_make(1000, parallel_finish, serial_note);
	record_clear();
	for (int i = 0; i < 1000; i++)
		accept_task(second, &t[i], usable_cpu(0));
	CHECK_EQ(padata_flush(second), 0);
	CHECK_EQ(recorded(), 1000);
	padata_free(second);
	EVENTUALLY(atomic_load(&stuck.parallels) == 1);
	padata_do_serial(&stuck.p);
	rig_end(rig);
	free(t);
}

static const struct test_case cases[] = {
	{"S3 producers' calls have one order, which agrees with when they ran", several_producers},
	{"S3 a call that returned before another began is before it", a_call_that_returned_is_before},
	{"E2 every serial() waits for the oldest task, whatever its cb_cpu", all_wait_for_the_oldest},
	{"E2 what stands before the unfinished task comes out, nothing after it", the_gap_is_exact},
	{"E2 for one cb_cpu serial() is in order and never overlaps", serial_in_order_without_overlap},
	{"E2 each instance has an order of its own", instances_are_independent},
};

TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */

/* padata_do_parallel_batch(): as n calls in a row, with nobody's task in between. */

#include "contract.h"

#include <stdlib.h>

enum { BATCH = 7, ROUNDS = 3000, PRODUCERS = 3 };

static struct rig rig;

static void accepted_in_order(void)
{
	static struct task tasks[20];
	struct padata_priv *list[20];

	rig = rig_make(0);
	record_clear();
	for (int i = 0; i < 20; i++) {
		tasks[i] = (struct task){.p = {.parallel = parallel_finish, .serial = serial_note}, .id = i};
		list[i] = &tasks[i].p;
	}
	CHECK_EQ(padata_do_parallel_batch(rig.inst, list, 20, usable_cpu(0)), 20);
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(recorded(), 20);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(atomic_load(&record.ids[i]), i);
		CHECK_EQ(atomic_load(&tasks[i].parallels), 1);
		CHECK_EQ(atomic_load(&tasks[i].serial_cpu), usable_cpu(0));
	}
	rig_end(rig);
}

static void as_many_as_there_is_room(void)
{
	static struct task tasks[8];
	struct padata_priv *list[8];

	rig = rig_make(5);
	for (int i = 0; i < 8; i++) {
		tasks[i] = (struct task){.p = {.parallel = parallel_leave, .serial = serial_note}, .id = i};
		list[i] = &tasks[i].p;
	}
	CHECK_EQ(padata_do_parallel_batch(rig.inst, list, 2, usable_cpu(0)), 2);
	CHECK_EQ(padata_do_parallel_batch(rig.inst, list + 2, 6, usable_cpu(0)), 3);
	CHECK_EQ(padata_do_parallel_batch(rig.inst, list + 5, 3, usable_cpu(0)), -EBUSY);
	for (int i = 0; i < 5; i++) {
		EVENTUALLY(atomic_load(&tasks[i].parallels) == 1);
		padata_do_serial(&tasks[i].p);
	}
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(atomic_load(&tasks[5].parallels), 0);
	rig_end(rig);
}

static void refused_as_a_whole(void)
{
	struct task good = {.p = {.parallel = parallel_finish, .serial = serial_note}};
	struct task bad = {.p = {.parallel = parallel_finish}};
	struct padata_priv *list[] = {&good.p, &bad.p}, *hole[] = {&good.p, NULL};

	rig = rig_make(0);
	CHECK_EQ(padata_do_parallel_batch(NULL, list, 1, usable_cpu(0)), -EINVAL);
	CHECK_EQ(padata_do_parallel_batch(rig.inst, NULL, 1, usable_cpu(0)), -EINVAL);
	CHECK_EQ(padata_do_parallel_batch(rig.inst, list, 0, usable_cpu(0)), -EINVAL);
	CHECK_EQ(padata_do_parallel_batch(rig.inst, list, 2, usable_cpu(0)), -EINVAL);
	CHECK_EQ(padata_do_parallel_batch(rig.inst, hole, 2, usable_cpu(0)), -EINVAL);
	CHECK_EQ(padata_do_parallel_batch(rig.inst, list, 1, -1), -EINVAL);
	padata_stop(rig.inst);
	CHECK_EQ(padata_do_parallel_batch(rig.inst, list, 1, usable_cpu(0)), 0);
	CHECK_EQ(atomic_load(&good.parallels), 0);
	rig_end(rig);
}

/* Several producers: each batch stays together. */
struct numbered {
	struct padata_priv p;
	int producer, number;
};
static int last_producer, inside; /* the serial stage's */
static int expected[PRODUCERS];

static void whole(struct padata_priv *padata)
{
	struct numbered *n = container_of(padata, struct numbered, p);

	CHECK_EQ(n->number, expected[n->producer]++);
	if (inside)
		CHECK_EQ(n->producer, last_producer);
	last_producer = n->producer;
	inside = (inside + 1) % BATCH;
	free(n);
}

static void finish(struct padata_priv *padata)
{
	padata_do_serial(padata);
}

static void *produce(void *arg)
{
	for (int round = 0; round < ROUNDS; round++) {
		struct padata_priv *list[BATCH];

		for (int i = 0; i < BATCH; i++) {
			struct numbered *n = calloc(1, sizeof(*n));

			n->p = (struct padata_priv){.parallel = finish, .serial = whole};
			n->producer = *(int *)arg;
			n->number = round * BATCH + i;
			list[i] = &n->p;
		}
		CHECK_EQ(padata_do_parallel_batch(rig.inst, list, BATCH, usable_cpu(0)), BATCH);
	}
	return NULL;
}

static void batches_stay_whole(void)
{
	pthread_t threads[PRODUCERS];
	int name[PRODUCERS];

	rig = rig_make(0);
	padata_stop(rig.inst);
	CHECK_EQ(padata_set_window(rig.inst, 1u << 17), 0); /* room for all of them */
	padata_start(rig.inst);
	for (int i = 0; i < PRODUCERS; i++) {
		name[i] = i;
		threads[i] = thread(produce, &name[i]);
	}
	for (int i = 0; i < PRODUCERS; i++)
		join(threads[i]);
	CHECK_EQ(padata_flush(rig.inst), 0);
	for (int i = 0; i < PRODUCERS; i++)
		CHECK_EQ(expected[i], ROUNDS * BATCH);
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"S3 a batch is accepted in its order", accepted_in_order},
	{"S4 a batch is accepted as far as there is room", as_many_as_there_is_room},
	{"S1 a batch with a fault is refused as a whole", refused_as_a_whole},
	{"S3 batches of several producers stay whole", batches_stay_whole},
};

TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */

/*
 * Kernel cf144f81a99d, e04ec0de61c1:
 * there was no full barrier between letting the lock go and looking again, and a task was stuck. Here
 * two threads finish two tasks at the same instant; nothing else is called.
 */

#include "contract/contract.h"

enum { ROUNDS = 3000 };
static struct task pair[2];
static pthread_barrier_t together;

static void *finish_one(void *which)
{
	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&together);
		padata_do_serial(&pair[(intptr_t)which].p);
		pthread_barrier_wait(&together);
	}
	return NULL;
}

static void neither_is_stuck(void)
{
	struct rig rig = rig_make(2);
	pthread_t id[2];
	CHECK_EQ(pthread_barrier_init(&together, NULL, 3), 0);
	for (intptr_t i = 0; i < 2; i++) {
		task_init(&pair[i], (int)i, parallel_leave, serial_note);
		id[i] = thread(finish_one, (void *)i);
	}
	for (int round = 0; round < ROUNDS; round++) {
		record_clear();
		for (int i = 0; i < 2; i++)
			accept_in_time(rig.inst, &pair[i], usable_cpu(0));
		while (atomic_load(&pair[0].parallels) <= round || atomic_load(&pair[1].parallels) <= round)
			sched_yield();
		pthread_barrier_wait(&together);
		pthread_barrier_wait(&together);
		while (recorded() < 2)
			sched_yield();
		CHECK_EQ(atomic_load(&record.ids[0]), 0);
	}
	for (int i = 0; i < 2; i++)
		join(id[i]);
	pthread_barrier_destroy(&together);
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"cf144f81a99d e04ec0de61c1 two completions at once leave no task behind", neither_is_stuck},
};
TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */

/*
 * Kernel de5540d088fe:
 * the head of the list was read outside its lock, and two that drained took the same object. Here two
 * threads finish neighbouring tasks at the same time.
 */

#include "contract/contract.h"

enum { N = 64, ROUNDS = 100 };
static struct task *tasks;
static pthread_barrier_t together;

static void *finish_half(void *first)
{
	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&together);
		for (int i = (int)(intptr_t)first; i < N; i += 2)
			padata_do_serial(&tasks[i].p);
		pthread_barrier_wait(&together);
	}
	return NULL;
}

static void each_taken_once(void)
{
	struct rig rig = rig_make(0);
	pthread_t id[2];
	tasks = tasks_make(N, parallel_leave, serial_note);
	CHECK_EQ(pthread_barrier_init(&together, NULL, 3), 0);
	record_clear();
	for (intptr_t i = 0; i < 2; i++)
		id[i] = thread(finish_half, (void *)i);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < N; i++)
			accept_task(rig.inst, &tasks[i], usable_cpu(0));
		for (int i = 0; i < N; i++)
			EVENTUALLY(atomic_load(&tasks[i].parallels) == round + 1);
		pthread_barrier_wait(&together);
		pthread_barrier_wait(&together);
		CHECK_EQ(padata_flush(rig.inst), 0);
		for (int i = 0; i < N; i++) {
			CHECK_EQ(atomic_load(&tasks[i].serials), round + 1);
			CHECK_EQ(atomic_load(&record.ids[round * N + i]), i);
		}
	}
	for (int i = 0; i < 2; i++)
		join(id[i]);
	pthread_barrier_destroy(&together);
	free(tasks);
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"de5540d088fe two threads that finish neighbours take each task once", each_taken_once},
};
TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */

/*
 * Kernel cf5868c8a22d, 350ef88e7e92:
 * a completion on another CPU than that of parallel() broke the order. Here threads of every CPU
 * finish tasks of every other.
 */

#include "contract/contract.h"

enum { N = 200 };
static struct task *tasks;
static atomic_int next_one;

static void *finish_on(void *cpu)
{
	const struct cpumask *mask = cpumask_of((int)(intptr_t)cpu);
	CHECK_EQ(sched_setaffinity(0, sizeof(*mask), (const cpu_set_t *)(const void *)mask), 0);
	for (int i; (i = atomic_fetch_sub(&next_one, 1)) >= 0;)
		padata_do_serial(&tasks[i].p);
	return NULL;
}

static void any_cpu_will_do(void)
{
	struct rig rig = rig_make(0);
	pthread_t id[2];
	tasks = tasks_make(N, parallel_leave, serial_note);
	record_clear();
	for (int i = 0; i < N; i++)
		accept_task(rig.inst, &tasks[i], usable_cpu((unsigned int)(i % usable_cpus())));
	for (int i = 0; i < N; i++)
		EVENTUALLY(atomic_load(&tasks[i].parallels) == 1);
	atomic_store(&next_one, N - 1);
	for (int i = 0; i < 2; i++)
		id[i] = thread(finish_on, (void *)(intptr_t)usable_cpu((unsigned int)(i % usable_cpus())));
	for (int i = 0; i < 2; i++)
		join(id[i]);
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(recorded(), N);
	for (int i = 0; i < N; i++)
		CHECK_EQ(atomic_load(&tasks[i].serial_cpu), tasks[i].cb_cpu);
	free(tasks);
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"cf5868c8a22d 350ef88e7e92 a task may be finished on any CPU", any_cpu_will_do},
};
TEST_MAIN(cases)

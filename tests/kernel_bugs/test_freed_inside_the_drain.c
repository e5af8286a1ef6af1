/* SPDX-License-Identifier: MIT */

/*
 * Kernel e01780ea4661 (CVE-2025-21727):
 * the instance was freed inside the drain that was still going on. Here a thread of nobody's finishes
 * the last task, and the instance is freed as soon as serial() was seen, while that thread may still
 * be in padata_do_serial().
 */

#include "contract/contract.h"

enum { ROUNDS = 1500 };
static struct task last;
static sem_t go;

static void *finish(void *unused)
{
	(void)unused;
	for (int round = 0; round < ROUNDS; round++) {
		wait_for(&go);
		padata_do_serial(&last.p);
	}
	return NULL;
}

static void free_under_a_finisher(void)
{
	struct workqueue_struct *wq = create_workqueue("drain");
	CHECK(wq);
	sem_init(&go, 0, 0);
	pthread_t id = thread(finish, NULL);
	for (int round = 0; round < ROUNDS; round++) {
		struct padata_instance *inst = padata_alloc(cpu_active_mask, wq);
		CHECK(inst);
		padata_start(inst);
		task_init(&last, 0, parallel_leave, serial_note);
		record_clear();
		accept_task(inst, &last, usable_cpu((unsigned int)(round % usable_cpus())));
		while (!atomic_load(&last.parallels))
			sched_yield();
		sem_post(&go);
		while (!recorded())
			sched_yield();
		padata_free(inst);
	}
	join(id);
	destroy_workqueue(wq);
}

static const struct test_case cases[] = {
	{"e01780ea4661 padata_free() while the finisher still delivers", free_under_a_finisher},
};
TEST_MAIN(cases)

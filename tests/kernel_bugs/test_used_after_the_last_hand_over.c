/* SPDX-License-Identifier: MIT */

/*
 * Kernel 71203f68c774 (CVE-2025-38584):
 * the instance was used after the last object had been handed over, for fifteen years. Here the
 * submitter itself may still be in padata_do_parallel() when another thread, which saw the task
 * complete, frees the instance.
 */

#include "contract/contract.h"

enum { ROUNDS = 1500 };
static struct padata_instance *_Atomic current;
static struct task only;
static sem_t submit, may_free;

static void serial_lets_free(struct padata_priv *padata)
{
	(void)padata;
	sem_post(&may_free);
}

static void *free_each(void *unused)
{
	(void)unused;
	for (int round = 0; round < ROUNDS; round++) {
		wait_for(&may_free);
		padata_free(atomic_load(&current));
		sem_post(&submit);
	}
	return NULL;
}

static void free_under_a_submitter(void)
{
	struct workqueue_struct *wq = create_workqueue("last");
	CHECK(wq);
	sem_init(&submit, 0, 1);
	sem_init(&may_free, 0, 0);
	pthread_t id = thread(free_each, NULL);
	for (int round = 0; round < ROUNDS; round++) {
		wait_for(&submit);
		struct padata_instance *inst = padata_alloc(cpu_active_mask, wq);
		CHECK(inst);
		padata_start(inst);
		atomic_store(&current, inst);
		task_init(&only, 0, parallel_finish, serial_lets_free);
		accept_task(inst, &only, usable_cpu((unsigned int)(round % usable_cpus())));
	}
	join(id);
	destroy_workqueue(wq);
}

static const struct test_case cases[] = {
	{"71203f68c774 padata_free() while the submitter is on its way out", free_under_a_submitter},
};
TEST_MAIN(cases)

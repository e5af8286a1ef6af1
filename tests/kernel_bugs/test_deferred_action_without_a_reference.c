/* SPDX-License-Identifier: MIT */

/*
 * Kernel dd7d37ccf6b1 (CVE-2025-21726), d6ebcde6d4ec:
 * an action queued for later held no reference, and the mend leaked one when it was queued already.
 * Here the worker is held, so that an instance's action waits in its queue, twice asked for, while the
 * instance is freed.
 */

#include "contract/contract.h"

static struct padata_instance *inst;
static atomic_int freer, freed;

static void *free_it(void *unused)
{
	(void)unused;
	atomic_store(&freer, gettid());
	padata_free(inst);
	atomic_store(&freed, 1);
	return NULL;
}

static void free_behind_a_held_worker(void)
{
	struct workqueue_struct *wq = create_workqueue("held");
	CHECK(wq);
	for (int round = 0; round < 20; round++) {
		struct holder h;
		struct task t[4];
		int cpu = usable_cpu((unsigned int)(round % usable_cpus()));
		atomic_store(&freed, 0);
		atomic_store(&freer, 0);
		record_clear();
		inst = padata_alloc(cpumask_of(cpu), wq);
		CHECK(inst);
		padata_start(inst);
		hold_cpu(&h, wq, cpu);
		for (int i = 0; i < 4; i++) {
			task_init(&t[i], i, parallel_finish, serial_note);
			accept_task(inst, &t[i], cpu);
		}
		pthread_t id = thread(free_it, NULL);
		until_asleep(&freer);
		CHECK_EQ(atomic_load(&freed), 0);
		release_cpu(&h);
		join(id);
		CHECK_EQ(recorded(), 4);
	}
	/* Zero at rest: no action is left to run into memory that is gone. */
	flush_workqueue(wq);
	destroy_workqueue(wq);
}

static const struct test_case cases[] = {
	{"dd7d37ccf6b1 d6ebcde6d4ec what is queued for later keeps the instance", free_behind_a_held_worker},
};
TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */

/*
 * Kernel 7ddc21e317b3 (CVE-2023-52854):
 * the instance was freed while the worker that had called the last serial() still held it. Here the
 * freeing thread waits for nothing but the last serial().
 */

#include "contract/contract.h"

static void serial_says_so(struct padata_priv *padata)
{
	sem_post(TASK(padata)->begun);
}

static void free_after_the_last_serial(void)
{
	sem_t begun;
	sem_init(&begun, 0, 0);
	struct workqueue_struct *wq = create_workqueue("free");
	CHECK(wq);
	for (int round = 0; round < 2000; round++) {
		struct padata_instance *inst = padata_alloc(cpu_active_mask, wq);
		struct task t;
		CHECK(inst);
		padata_start(inst);
		task_init(&t, 0, parallel_finish, serial_says_so);
		t.begun = &begun;
		accept_task(inst, &t, usable_cpu((unsigned int)(round % usable_cpus())));
		wait_for(&begun);
		padata_free(inst);
	}
	destroy_workqueue(wq);
}

static const struct test_case cases[] = {
	{"7ddc21e317b3 padata_free() right after the last serial() began", free_after_the_last_serial},
};
TEST_MAIN(cases)

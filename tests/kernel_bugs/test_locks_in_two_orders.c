/* SPDX-License-Identifier: MIT */

/*
 * Kernel 38228e8848cd:
 * the locks of CPU hotplug and of the instance were taken in two orders. Here two instances on one
 * workqueue change their masks, gain workers, and are made and freed by two threads.
 */

#include "contract/contract.h"

static struct workqueue_struct *wq;

static void *live(void *argument)
{
	int cpu = usable_cpu((unsigned int)(usable_cpus() - 1));
	(void)argument;
	for (int round = 0; round < 60; round++) {
		struct cpumask none;
		cpumask_clear(&none);
		struct padata_instance *inst = padata_alloc(&none, wq);
		CHECK(inst);
		padata_start(inst);
		for (int i = 0; i < 3; i++) {
			CHECK_EQ(padata_add_cpu(inst, usable_cpu(0)), 0);
			CHECK_EQ(padata_add_cpu(inst, cpu), 0);
			CHECK_EQ(padata_flush(inst), 0);
			CHECK_EQ(padata_remove_cpu(inst, cpu), 0);
			padata_stop(inst);
			flush_workqueue(wq);
			padata_start(inst);
		}
		padata_free(inst);
	}
	return NULL;
}

static void one_order(void)
{
	wq = create_workqueue("locks");
	CHECK(wq);
	pthread_t id[3];
	for (int i = 0; i < 3; i++)
		id[i] = thread(live, NULL);
	for (int i = 0; i < 3; i++)
		join(id[i]);
	destroy_workqueue(wq);
}

static const struct test_case cases[] = {
	{"38228e8848cd changes, workers and ends at once do not wait for each other", one_order},
};
TEST_MAIN(cases)

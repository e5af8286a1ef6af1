/* SPDX-License-Identifier: MIT */

/*
 * Kernel 3047817b894d:
 * an object was read after it had been queued, when another CPU might have freed it already. Here
 * serial() overwrites and frees its task.
 */

#include "contract/contract.h"

static atomic_int done;

static void finish(struct padata_priv *padata)
{
	padata_do_serial(padata);
}

static void overwrite_and_free(struct padata_priv *padata)
{
	memset(padata, 0xa5, sizeof(*padata));
	free(padata);
	atomic_fetch_add(&done, 1);
}

static void tasks_are_gone_in_serial(void)
{
	struct rig rig = rig_make(4);
	enum { N = 5000 };
	for (int i = 0; i < N; i++) {
		struct padata_priv *task = calloc(1, sizeof(*task));
		CHECK(task);
		task->parallel = finish;
		task->serial = overwrite_and_free;
		int cpu = usable_cpu((unsigned int)(i % usable_cpus())), result;
		while ((result = padata_do_parallel(rig.inst, task, cpu)) == -EBUSY)
			CHECK_EQ(padata_wait_room(rig.inst), 0);
		CHECK_EQ(result, -EINPROGRESS);
	}
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(atomic_load(&done), N);
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"3047817b894d nothing is read of a task once it was handed over", tasks_are_gone_in_serial},
};
TEST_MAIN(cases)

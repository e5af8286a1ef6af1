/* SPDX-License-Identifier: MIT */

/*
 * Kernel 894c9ef9780c, ec9c7d19336e:
 * masks were checked with the leaving CPU still in them, and the next CPU was taken from the raw mask.
 * Here CPUs leave until none is left, and masks name CPUs that cannot be used.
 */

#include "contract/contract.h"

static int last_cpu(void)
{
	return usable_cpu((unsigned int)(usable_cpus() - 1));
}

static void until_none_is_left(void)
{
	struct rig rig = rig_make(0);
	struct task t;
	task_init(&t, 0, parallel_finish, serial_note);
	record_clear();
	for (int n = 0; n < usable_cpus(); n++) {
		int leaving = usable_cpu((unsigned int)n);
		CHECK_EQ(padata_remove_cpu(rig.inst, leaving), 0);
		CHECK_EQ(padata_do_parallel(rig.inst, &t.p, leaving), -EINVAL);
		if (n + 1 < usable_cpus()) {
			accept_task(rig.inst, &t, last_cpu());
			CHECK_EQ(padata_flush(rig.inst), 0);
			CHECK_EQ(atomic_load(&t.parallel_cpu) != leaving, 1);
		}
	}
	CHECK_EQ(padata_do_parallel(rig.inst, &t.p, last_cpu()), -EINVAL);
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(padata_add_cpu(rig.inst, last_cpu()), 0);
	accept_task(rig.inst, &t, last_cpu());
	rig_end(rig);
	CHECK_EQ(recorded(), usable_cpus());
}

static void cpus_that_cannot_be_used(void)
{
	struct rig rig = rig_make(0);
	struct cpumask mask;
	struct task t[50];
	cpumask_setall(&mask);
	for (int n = 0; n + 1 < usable_cpus(); n++)
		cpumask_clear_cpu(usable_cpu((unsigned int)n), &mask);
	CHECK_EQ(padata_set_cpumask(rig.inst, &mask), 0);
	for (int i = 0; i < 50; i++) {
		task_init(&t[i], i, parallel_finish, serial_note);
		accept_task(rig.inst, &t[i], last_cpu());
	}
	CHECK_EQ(padata_flush(rig.inst), 0);
	for (int i = 0; i < 50; i++)
		CHECK_EQ(atomic_load(&t[i].parallel_cpu), last_cpu());
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"894c9ef9780c the mask without the CPU that leaves", until_none_is_left},
	{"ec9c7d19336e only CPUs that can be used are", cpus_that_cannot_be_used},
};
TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */

/*
 * Kernel c8c4a29:
 * an offline callback failed half-way, where nothing may fail. Here a CPU is taken out with tasks
 * outstanding, twice, and when it was never there; a change that is refused changes nothing.
 */

#include "contract/contract.h"

static void all_or_nothing(void)
{
	struct rig rig = rig_make(0);
	struct task *t = tasks_make(300, parallel_finish, serial_note);
	int cpu = usable_cpu((unsigned int)(usable_cpus() - 1));
	record_clear();
	for (int i = 0; i < 300; i++) {
		accept_in_time(rig.inst, &t[i], cpu);
		if (i % 10)
			continue;
		CHECK_EQ(padata_remove_cpu(rig.inst, cpu), 0);
		CHECK_EQ(padata_remove_cpu(rig.inst, cpu), 0);
		CHECK_EQ(recorded(), i + 1);
		CHECK_EQ(padata_remove_cpu(rig.inst, (int)nr_cpu_ids), -EINVAL);
		CHECK_EQ(padata_remove_cpu(rig.inst, -1), -EINVAL);
		CHECK_EQ(padata_set_cpumask(rig.inst, NULL), -EINVAL);
		if (i + 1 < 300)
			CHECK_EQ(padata_do_parallel(rig.inst, &t[i + 1].p, cpu), -EINVAL);
		CHECK_EQ(padata_add_cpu(rig.inst, cpu), 0);
	}
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(recorded(), 300);
	rig_end(rig);
	free(t);
}

static const struct test_case cases[] = {
	{"c8c4a29 a CPU is taken out, or the mask is as it was", all_or_nothing},
};
TEST_MAIN(cases)

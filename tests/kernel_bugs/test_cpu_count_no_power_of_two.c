/* SPDX-License-Identifier: MIT */

/*
 * Kernel 501302d5cee0:
 * the next CPU was not set back at the wrap when the number of CPUs was no power of two. Here crews of
 * 1 to 130 CPUs are called, each CPU in its turn, and windows have every size.
 */

#include "contract/contract.h"
#include "instance.h"

static void every_member_is_called(void)
{
	for (unsigned int cpus = 1; cpus <= 130; cpus++) {
		struct pd_crew crew;
		bool called[130] = {false};
		CHECK_EQ(pd_crew_init(&crew, cpus), 0);
		for (unsigned int cpu = 0; cpu < cpus; cpu++)
			pd_crew_add(&crew, cpu);
		for (unsigned int n = 0; n < cpus; n++) {
			int cpu = pd_crew_call(&crew, (int)(n * 7 % cpus));
			CHECK(cpu >= 0 && (unsigned int)cpu < cpus && !called[cpu]);
			called[cpu] = true;
			CHECK_EQ(pd_crew_call(&crew, -1), -1); /* one searches already */
			pd_crew_work(&crew);
		}
		CHECK_EQ(pd_crew_call(&crew, -1), -1);
		pd_crew_destroy(&crew);
	}
}

static void windows_of_every_size(void)
{
	static const unsigned int sizes[] = {1, 3, 5, 6, 7, 12, 100};
	for (unsigned int i = 0; i < COUNT(sizes); i++) {
		struct rig rig = rig_make(sizes[i]);
		int n = (int)sizes[i] * 5 + 1;
		struct task *t = tasks_make(n, parallel_finish, serial_note);
		record_clear();
		for (int k = 0; k < n; k++)
			accept_in_time(rig.inst, &t[k], usable_cpu(0));
		CHECK_EQ(padata_flush(rig.inst), 0);
		for (int k = 0; k < n; k++)
			CHECK_EQ(atomic_load(&record.ids[k]), k);
		rig_end(rig);
		free(t);
	}
}

static const struct test_case cases[] = {
	{"501302d5cee0 3, 5, 6, 7 CPUs, and every other number", every_member_is_called},
	{"501302d5cee0 windows of every size", windows_of_every_size},
};
TEST_MAIN(cases)

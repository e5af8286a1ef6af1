/* SPDX-License-Identifier: MIT */

/*
 * Kernel 6fc4dbcf0276:
 * a timer was needed to find tasks that a drain had left behind. Here tasks finish in the worst order,
 * and nothing else is called.
 */

#include "contract/contract.h"

enum { N = 100 };

static void nothing_but_completions(void)
{
	struct rig rig = rig_make(0);
	struct task *t = tasks_make(N, parallel_leave, serial_note);
	for (int round = 1; round <= 20; round++) {
		record_clear();
		for (int i = 0; i < N; i++)
			accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i % usable_cpus())));
		for (int i = 0; i < N; i++)
			EVENTUALLY(atomic_load(&t[i].parallels) == round);
		for (int i = N - 1; i >= 0; i--)
			padata_do_serial(&t[i].p);
		EVENTUALLY(recorded() == N);
		CHECK_EQ(padata_flush(rig.inst), 0);
	}
	free(t);
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"6fc4dbcf0276 the last completion sets everything going", nothing_but_completions},
};
TEST_MAIN(cases)

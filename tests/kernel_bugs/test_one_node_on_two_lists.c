/* SPDX-License-Identifier: MIT */

/*
 * Kernel 3c2214b6027f:
 * one list node was on two lists at once. Here a task goes on to another instance from its serial(),
 * and back, while the first still drains.
 */

#include "contract/contract.h"

enum { N = 16, HOPS = 200 };
static struct rig rig;
static struct padata_instance *other;
static atomic_int hops[N], done;

static void go_on(struct padata_priv *padata)
{
	struct task *t = TASK(padata);
	int hop = atomic_fetch_add(&hops[t->id], 1) + 1;
	if (hop == HOPS) {
		atomic_fetch_add(&done, 1);
		return;
	}
	CHECK_EQ(padata_do_parallel(hop % 2 ? other : rig.inst, padata, t->cb_cpu), -EINPROGRESS);
}

static void from_list_to_list(void)
{
	rig = rig_make(0);
	other = padata_alloc(cpu_active_mask, rig.wq);
	CHECK(other);
	padata_start(other);
	struct task *t = tasks_make(N, parallel_finish, go_on);
	for (int i = 0; i < N; i++)
		accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i % usable_cpus())));
	EVENTUALLY(atomic_load(&done) == N);
	padata_free(other);
	rig_end(rig);
	for (int i = 0; i < N; i++)
		CHECK_EQ(atomic_load(&t[i].parallels), HOPS);
	free(t);
}

static const struct test_case cases[] = {
	{"3c2214b6027f a task goes from list to list", from_list_to_list},
};
TEST_MAIN(cases)

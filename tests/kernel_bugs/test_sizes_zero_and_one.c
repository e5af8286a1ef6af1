/* SPDX-License-Identifier: MIT */

/*
 * Kernel 41ccdbfd5427, 57ddfecc72a6, 6d45e1c948a8:
 * empty sets, iterators past the end, and a division by a chunk of zero. Here everything that has a
 * size has it 0 and 1.
 */

#include "contract/contract.h"

static void nothing_at_all(void)
{
	struct cpumask none;
	struct workqueue_struct *wq = create_workqueue("empty");
	struct task t;
	struct padata_priv *list[1] = {&t.p};
	cpumask_clear(&none);
	CHECK_EQ(cpumask_weight(&none), 0);
	CHECK(cpumask_first(&none) >= nr_cpu_ids);
	struct padata_instance *inst = padata_alloc(&none, wq);
	CHECK(inst);
	CHECK_EQ(padata_set_window(inst, 0), -EINVAL);
	padata_start(inst);
	task_init(&t, 0, parallel_finish, serial_note);
	CHECK_EQ(padata_do_parallel_batch(inst, list, 0, usable_cpu(0)), -EINVAL);
	CHECK_EQ(padata_do_parallel(inst, &t.p, usable_cpu(0)), -EINVAL);
	CHECK_EQ(padata_flush(inst), 0);
	CHECK_EQ(padata_wait_room(inst), 0);
	CHECK_EQ(padata_set_cpumask(inst, &none), 0);
	padata_free(inst);
	flush_workqueue(wq);
	destroy_workqueue(wq);
}

static void one_of_each(void)
{
	struct rig rig = rig_make(1);
	struct task t[2];
	struct padata_priv *list[2] = {&t[0].p, &t[1].p};
	struct cpumask one;
	cpumask_copy(&one, cpumask_of(usable_cpu(0)));
	CHECK_EQ(padata_set_cpumask(rig.inst, &one), 0);
	record_clear();
	for (int i = 0; i < 2; i++)
		task_init(&t[i], i, parallel_finish, serial_note);
	for (int round = 1; round <= 500; round++) {
		CHECK_EQ(padata_do_parallel_batch(rig.inst, list, 2, usable_cpu(0)), 1);
		CHECK_EQ(padata_wait_room(rig.inst), 0);
		CHECK_EQ(padata_do_parallel_batch(rig.inst, list + 1, 1, usable_cpu(0)), 1);
		CHECK_EQ(padata_flush(rig.inst), 0);
		CHECK_EQ(recorded(), 2 * round);
	}
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"41ccdbfd5427 57ddfecc72a6 empty sets", nothing_at_all},
	{"6d45e1c948a8 one CPU, a window of one, a batch of one", one_of_each},
};
TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */

/*
 * Kernel 07928d9bfc81:
 * a change of masks could not make its users finish, and what was under way was lost or overtaken.
 * Here a change waits for a task that nobody finishes yet, refuses new ones meanwhile, and keeps one
 * order.
 */

#include "contract/contract.h"

static struct rig rig;
static atomic_int changer;

static void *change(void *unused)
{
	(void)unused;
	atomic_store(&changer, gettid());
	CHECK_EQ(padata_set_cpumask(rig.inst, (struct cpumask *)cpu_active_mask), 0);
	return NULL;
}

static void a_change_waits(void)
{
	struct task t[3];
	rig = rig_make(0);
	record_clear();
	for (int i = 0; i < 3; i++)
		task_init(&t[i], i, i == 0 ? parallel_leave : parallel_finish, serial_note);
	accept_task(rig.inst, &t[0], usable_cpu(0));
	accept_task(rig.inst, &t[1], usable_cpu(0));
	EVENTUALLY(atomic_load(&t[0].parallels) && atomic_load(&t[1].parallels));
	pthread_t id = thread(change, NULL);
	until_asleep(&changer);
	CHECK_EQ(padata_do_parallel(rig.inst, &t[2].p, usable_cpu(0)), -EBUSY);
	CHECK_EQ(recorded(), 0);
	padata_do_serial(&t[0].p);
	join(id);
	CHECK_EQ(recorded(), 2);
	accept_task(rig.inst, &t[2], usable_cpu(0));
	CHECK_EQ(padata_flush(rig.inst), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(atomic_load(&record.ids[i]), i);
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"07928d9bfc81 a change waits for what was accepted, and nothing is overtaken", a_change_waits},
};
TEST_MAIN(cases)

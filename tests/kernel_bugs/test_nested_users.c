/* SPDX-License-Identifier: MIT */

/*
 * Kernel bbefa1dd6a6d:
 * nested users shared one ordered queue, and waited for each other. Here the outer task is finished by
 * the inner one's serial(), both instances on one workqueue.
 */

#include "contract/contract.h"

enum { N = 500 };
static struct rig outer;
static struct padata_instance *inner;
static struct task *outer_tasks, *inner_tasks;

static void submit_inner(struct padata_priv *padata)
{
	struct task *t = TASK(padata);
	note_parallel(t);
	accept_task(inner, &inner_tasks[t->id], t->cb_cpu);
}

static void finish_outer(struct padata_priv *padata)
{
	padata_do_serial(&outer_tasks[TASK(padata)->id].p);
}

static void both_go_on(void)
{
	outer = rig_make(8);
	inner = padata_alloc(cpu_active_mask, outer.wq);
	CHECK(inner);
	padata_start(inner);
	outer_tasks = tasks_make(N, submit_inner, serial_note);
	inner_tasks = tasks_make(N, parallel_finish, finish_outer);
	record_clear();
	for (int i = 0; i < N; i++)
		accept_in_time(outer.inst, &outer_tasks[i], usable_cpu(0));
	CHECK_EQ(padata_flush(outer.inst), 0);
	CHECK_EQ(recorded(), N);
	for (int i = 0; i < N; i++)
		CHECK_EQ(atomic_load(&record.ids[i]), i);
	padata_free(inner);
	rig_end(outer);
	free(outer_tasks);
	free(inner_tasks);
}

static const struct test_case cases[] = {
	{"bbefa1dd6a6d an instance inside another does not stop it", both_go_on},
};
TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */

/*
 * Kernel 1b0df11fde0f:
 * a lock of the pool was taken again from a callback's context. Here every call of the interface is
 * made from both callbacks.
 */

#include "contract/contract.h"

static struct rig rig;
static struct task inner[2];

static void call_everything(struct task *self)
{
	struct padata_instance *inst = rig.inst;
	padata_stop(inst);
	CHECK_EQ(padata_do_parallel(inst, &inner[self->id].p, self->cb_cpu), 0);
	padata_start(inst);
	CHECK_EQ(padata_set_window(inst, 3), -EBUSY);
	CHECK_EQ(padata_get_window(inst), 4);
	CHECK_EQ(padata_set_cpumask(inst, (struct cpumask *)cpu_active_mask), -EDEADLK);
	CHECK_EQ(padata_add_cpu(inst, self->cb_cpu), -EDEADLK);
	CHECK_EQ(padata_remove_cpu(inst, self->cb_cpu), -EDEADLK);
	CHECK_EQ(padata_wait_room(inst), -EDEADLK);
	CHECK_EQ(padata_flush(inst), -EDEADLK);
	CHECK(padata_room_fd(inst) >= 0);
	/* The whole life of another instance, on the same workers. */
	struct padata_instance *other = padata_alloc(cpu_active_mask, rig.wq);
	CHECK(other);
	padata_start(other);
	CHECK_EQ(padata_remove_cpu(other, self->cb_cpu), 0);
	padata_free(other);
	CHECK_EQ(padata_do_parallel(inst, &inner[self->id].p, self->cb_cpu), -EINPROGRESS);
}

static void parallel_calls(struct padata_priv *padata)
{
	call_everything(TASK(padata));
	padata_do_serial(padata);
}

static void serial_calls(struct padata_priv *padata)
{
	call_everything(TASK(padata));
	note_serial(TASK(padata));
}

static void every_call_from_every_callback(void)
{
	struct task outer[2];
	rig = rig_make(4);
	record_clear();
	task_init(&outer[0], 0, parallel_calls, serial_note);
	task_init(&outer[1], 1, parallel_finish, serial_calls);
	for (int i = 0; i < 2; i++)
		task_init(&inner[i], 10 + i, parallel_finish, serial_note);
	for (int i = 0; i < 2; i++) {
		accept_task(rig.inst, &outer[i], usable_cpu(0));
		EVENTUALLY(recorded() == 2 * i + 2);
		CHECK_EQ(padata_flush(rig.inst), 0);
	}
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"1b0df11fde0f every call may be made in parallel() and in serial()", every_call_from_every_callback},
};
TEST_MAIN(cases)

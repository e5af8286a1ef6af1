/* SPDX-License-Identifier: MIT */

/*
 * Kernel 34c3a47d20ae:
 * under overload parallel() was run inline, in the submitter's context, which held what it waited for.
 * Here a full instance refuses, and no callback ever runs on the submitter's thread.
 */

#include "contract/contract.h"

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_t submitter;

static void parallel_locks(struct padata_priv *padata)
{
	CHECK(!pthread_equal(pthread_self(), submitter));
	pthread_mutex_lock(&held);
	note_parallel(TASK(padata));
	pthread_mutex_unlock(&held);
	padata_do_serial(padata);
}

static void refused_when_full(void)
{
	struct rig rig = rig_make(2);
	struct task t[3];
	submitter = pthread_self();
	record_clear();
	for (int i = 0; i < 3; i++)
		task_init(&t[i], i, parallel_locks, serial_note);
	pthread_mutex_lock(&held);
	accept_task(rig.inst, &t[0], usable_cpu(0));
	accept_task(rig.inst, &t[1], usable_cpu(0));
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(padata_do_parallel(rig.inst, &t[2].p, usable_cpu(0)), -EBUSY);
	pthread_mutex_unlock(&held);
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(recorded(), 2);
	CHECK_EQ(atomic_load(&t[2].parallels), 0);
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"34c3a47d20ae a full instance refuses, and runs nothing in its caller", refused_when_full},
};
TEST_MAIN(cases)

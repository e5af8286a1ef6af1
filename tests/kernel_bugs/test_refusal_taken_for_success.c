/* SPDX-License-Identifier: MIT */

/*
 * Kernel 8f4f68e788c3:
 * a refusal was read as "queued", and its caller waited for ever. Here every result of a submission
 * agrees with what is called afterwards.
 */

#include "contract/contract.h"

enum { N = 20000 };
static struct rig rig;
static atomic_int over;

static void *stop_and_change(void *unused)
{
	(void)unused;
	while (!atomic_load(&over)) {
		padata_stop(rig.inst);
		padata_start(rig.inst);
		CHECK_EQ(padata_set_cpumask(rig.inst, (struct cpumask *)cpu_active_mask), 0);
		usleep(500);
	}
	return NULL;
}

static void accepted_or_refused(void)
{
	int accepted = 0, called = 0;
	rig = rig_make(4);
	struct task *t = tasks_make(N, parallel_finish, serial_note);
	bool *was_accepted = calloc(N, sizeof(*was_accepted));
	CHECK(was_accepted);
	record_clear();
	atomic_store(&over, 0);
	pthread_t id = thread(stop_and_change, NULL);
	for (int i = 0; i < N; i++) {
		int result = padata_do_parallel(rig.inst, &t[i].p, i % 50 ? usable_cpu(0) : -1);
		CHECK(result == 0 || result == -EBUSY || result == -EINVAL || result == -EINPROGRESS);
		was_accepted[i] = result == -EINPROGRESS;
		accepted += was_accepted[i];
	}
	atomic_store(&over, 1);
	join(id);
	CHECK_EQ(padata_flush(rig.inst), 0);
	for (int i = 0; i < N; i++) {
		CHECK_EQ(atomic_load(&t[i].parallels), was_accepted[i]);
		CHECK_EQ(atomic_load(&t[i].serials), was_accepted[i]);
		called += atomic_load(&t[i].serials);
	}
	CHECK_EQ(called, accepted);
	CHECK(accepted > 0);
	free(was_accepted);
	free(t);
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"8f4f68e788c3 a task is accepted or refused, and it shows", accepted_or_refused},
};
TEST_MAIN(cases)

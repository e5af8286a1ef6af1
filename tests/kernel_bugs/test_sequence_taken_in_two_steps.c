/* SPDX-License-Identifier: MIT */

/*
 * Kernel 2dc9b5dbdef0:
 * the sequence number was tested and reset by two atomic steps, and two tasks could get one number, or
 * one number nobody. Here two producers submit against mask changes; each number must be given once.
 */

#include "contract/contract.h"

enum { EACH = 3000 };
static struct rig rig;
static struct task *tasks[2];
static atomic_int producing;

static void *produce(void *argument)
{
	struct task *t = argument;
	for (int i = 0; i < EACH; i++)
		accept_in_time(rig.inst, &t[i], usable_cpu(0));
	atomic_fetch_sub(&producing, 1);
	return NULL;
}

static void every_number_once(void)
{
	pthread_t id[2];
	int last[2] = {-1, -1};
	rig = rig_make(8);
	record_clear();
	atomic_store(&producing, 2);
	for (int p = 0; p < 2; p++) {
		tasks[p] = tasks_make(EACH, parallel_finish, serial_note);
		for (int i = 0; i < EACH; i++)
			tasks[p][i].id = p * EACH + i;
	}
	for (int p = 0; p < 2; p++)
		id[p] = thread(produce, tasks[p]);
	while (atomic_load(&producing)) {
		CHECK_EQ(padata_set_cpumask(rig.inst, (struct cpumask *)cpu_active_mask), 0);
		usleep(2000);
	}
	for (int p = 0; p < 2; p++)
		join(id[p]);
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(recorded(), 2 * EACH);
	for (int i = 0; i < 2 * EACH; i++) {
		int which = atomic_load(&record.ids[i]) / EACH, number = atomic_load(&record.ids[i]) % EACH;
		CHECK_EQ(number, last[which] + 1);
		last[which] = number;
	}
	for (int p = 0; p < 2; p++)
		free(tasks[p]);
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"2dc9b5dbdef0 each number is given once, mask changes or not", every_number_once},
};
TEST_MAIN(cases)

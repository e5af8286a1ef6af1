/* SPDX-License-Identifier: MIT */
/* The process's CPUs shrink and grow under load, by affinity and by a cpuset. */

#include "../contract/affinity.h"
#include "fault.h"

static void come_and_go(enum who who, const struct cpumask *all)
{
	static struct stream s;
	struct rig rig = rig_make(16);

	stream_open(&s, rig.inst);
	atomic_store(&s.may_refuse, true);
	s.producer = thread(stream_produce, &s);
	for (int i = 0; i < 60; i++) {
		struct cpumask some;

		cpumask_clear(&some);
		for (int k = 0; k < usable_cpus(); k++)
			if (chance(2))
				cpumask_set_cpu((unsigned int)usable_cpu((unsigned int)k), &some);
		if (cpumask_empty(&some))
			cpumask_set_cpu((unsigned int)usable_cpu(0), &some);
		CHECK(restrict_to(who, &some));
		stream_flows(&s, chance(50));
		if (chance(3) == 0)
			CHECK_EQ(padata_add_cpu(rig.inst, usable_cpu(0)), 0);
		stream_flows(&s, chance(50));
		CHECK(restrict_to(who, all));
		stream_flows(&s, chance(50));
		if (chance(5) == 0)
			CHECK_EQ(padata_flush(rig.inst), 0);
	}
	stream_end(&s);
	/* All are back at the next mask call. */
	CHECK_EQ(padata_add_cpu(rig.inst, usable_cpu(0)), 0);
	stream_open(&s, rig.inst);
	for (int i = 0; i < 500; i++)
		while (stream_submit(&s) == -EBUSY)
			stream_wait_room(&s);
	stream_close(&s);
	rig_end(rig);
}

static void each_way(enum who who)
{
	struct cpumask all;

	cpumask_copy(&all, cpu_active_mask);
	if (cpumask_weight(&all) < 2)
		SKIP("one CPU");
	if (who == CPUSET && !cpuset_enter())
		SKIP("no cpuset can be made");
	come_and_go(who, &all);
	if (who == CPUSET)
		cpuset_leave();
}

static void main_thread(void)
{
	each_way(MAIN_THREAD);
}

static void all_threads(void)
{
	each_way(ALL_THREADS);
}

static void in_a_cpuset(void)
{
	each_way(CPUSET);
}

static const struct test_case cases[] = {
	{"M5 the affinity of the process shrinks and grows under load", main_thread},
	{"M5 the affinity of each thread shrinks and grows under load, the workers' too", all_threads},
	{"M5 the cpuset shrinks and grows under load", in_a_cpuset},
};

TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */

/*
 * Kernel 9a22b2812393 (CVE-2024-47739):
 * sequence numbers were compared with < after they had wrapped, and the drain stood still. Here
 * instances begin just below each place where a narrower number would wrap.
 */

#include "contract/contract.h"
#include "instance.h"

static void begin_at(uint64_t first)
{
	enum { SIZE = 8, N = 100 };
	struct rig rig = rig_make(SIZE);
	struct task *t = tasks_make(N, parallel_finish, serial_note);
	record_clear();
	padata_stop(rig.inst);
	pd_window_destroy(&rig.inst->window);
	CHECK_EQ(pd_window_init(&rig.inst->window, SIZE, first), 0);
	atomic_store(&rig.inst->skipped, first);
	/* What has 32 bits wraps as well. */
	atomic_store(&rig.inst->room_turn, UINT32_MAX - 3);
	for (unsigned int i = 0; i < atomic_load(&rig.inst->lane_count); i++)
		rig.inst->lane_list[i]->victim = UINT32_MAX - 3;
	padata_start(rig.inst);
	for (int i = 0; i < N; i++)
		accept_in_time(rig.inst, &t[i], usable_cpu((unsigned int)(i % usable_cpus())));
	CHECK_EQ(padata_set_cpumask(rig.inst, (struct cpumask *)cpu_active_mask), 0);
	CHECK_EQ(recorded(), N);
	free(t);
	rig_end(rig);
}

static void around_every_wrap(void)
{
	static const unsigned int bits[] = {8, 16, 31, 32, 48, 56, 57};
	for (unsigned int i = 0; i < COUNT(bits); i++)
		begin_at(((uint64_t)1 << bits[i]) - 50);
	begin_at(((uint64_t)1 << 58) - 200);
}

static const struct test_case cases[] = {
	{"9a22b2812393 nothing stands still where a number wraps", around_every_wrap},
};
TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */
/* A clock that jumps, hours on and hours back, or stands: time decides how long is searched, never what happens. */

#include "fault.h"

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

enum jump { NONE, FORWARD, BACK, BOTH, STANDS };
static atomic_int jump;
static atomic_long offset, jumps; /* seconds */

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = __real_clock_gettime(clock, now);
	int how = atomic_load(&jump);

	if (how == STANDS) {
		*now = (struct timespec){.tv_sec = 1000000};
		atomic_fetch_add(&jumps, 1);
		return result;
	}
	if (how != NONE && chance(10) == 0) {
		long by = 1 + (long)chance(36000);

		atomic_fetch_add(&offset, how == BACK || (how == BOTH && chance(2)) ? -by : by);
		atomic_fetch_add(&jumps, 1);
	}
	now->tv_sec += 1000000000 + atomic_load(&offset);
	return result;
}

/* How often the clock is read is the library's: the stream flows until it has jumped. */
static void stream_with(enum jump how)
{
	static struct stream s;
	static const unsigned int windows[] = {1, 3, 100};

	for (unsigned int i = 0; i < COUNT(windows); i++) {
		struct rig rig = rig_make(windows[i]);

		atomic_store(&jumps, 0);
		stream_begin(&s, rig.inst);
		atomic_store(&jump, how);
		for (int change = 0; change < 4 || atomic_load(&jumps) <= 10; change++) {
			stream_flows(&s, 400);
			CHECK_EQ(padata_add_cpu(rig.inst, usable_cpu(0)), 0);
			CHECK_EQ(padata_flush(rig.inst), 0);
		}
		stream_end(&s);
		atomic_store(&jump, NONE);
		rig_end(rig);
	}
}

static void forward(void)
{
	stream_with(FORWARD);
}

static void back(void)
{
	stream_with(BACK);
}

static void to_and_fro(void)
{
	stream_with(BOTH);
}

static void stands(void)
{
	stream_with(STANDS);
}

static const struct test_case cases[] = {
	{"E2 E6 S4 the clock jumps forward", forward},
	{"E2 E6 S4 the clock jumps back", back},
	{"E2 E6 S4 the clock jumps to and fro", to_and_fro},
	{"E2 E6 S4 the clock stands", stands},
};

TEST_MAIN(cases)

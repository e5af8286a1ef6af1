/* SPDX-License-Identifier: MIT */
/*
 * A system without membarrier(2): the library falls back to fences of its own. One that takes it away later, as a
 * seccomp filter can, would lose wake-ups: that ends the program with a line.
 */

#include "fault.h"
#include "wrap_syscall.h"

/* Plain memory: the library asks before main(), when it is loaded. */
static bool refuse_from_the_start(void)
{
	return getenv("PADATA_TEST_NO_MEMBARRIER") != NULL;
}

static atomic_bool refuse_now;
static atomic_long refused;

static long on_syscall(long number, const long a[6])
{
	if (number == SYS_membarrier && (atomic_load(&refuse_now) || refuse_from_the_start())) {
		atomic_fetch_add(&refused, 1);
		errno = ENOSYS;
		return -1;
	}
	return pass_on(number, a);
}

static void a_stream(void)
{
	static struct stream s;
	static const unsigned int windows[] = {1, 2, 64};

	for (unsigned int i = 0; i < COUNT(windows); i++) {
		struct rig rig = rig_make(windows[i]);

		stream_begin(&s, rig.inst);
		for (int change = 0; change < 20; change++) {
			stream_flows(&s, 100);
			CHECK_EQ(padata_add_cpu(rig.inst, usable_cpu(0)), 0);
			CHECK_EQ(padata_flush(rig.inst), 0);
		}
		stream_end(&s);
		rig_end(rig);
	}
}

static void never_there(void)
{
	int status;
	pid_t pid;

	if (refuse_from_the_start()) {
		a_stream();
		CHECK(atomic_load(&refused) > 0);
		return;
	}
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		setenv("PADATA_TEST_NO_MEMBARRIER", "1", 1);
		freopen("/dev/null", "w", stdout);
		execl("/proc/self/exe", "test_membarrier_refused", (char *)NULL);
		_exit(127);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void taken_away(void)
{
	struct rig rig = rig_make(1);
	struct task t;

	task_init(&t, 0, parallel_finish, serial_note);
	atomic_store(&refuse_now, true);
	accept_task(rig.inst, &t, usable_cpu(0));
	padata_flush(rig.inst);
}

static void gone_later(void)
{
	if (refuse_from_the_start())
		return; /* the other process sees to it */
	must_abort(taken_away, "membarrier(2)");
}

CHILD_MAY_START_THREADS

static const struct test_case cases[] = {
	{"E2 E6 membarrier is refused from the start: fences do", never_there},
	{"E6 membarrier is refused later: one line that says what to do", gone_later},
};

TEST_MAIN(cases)

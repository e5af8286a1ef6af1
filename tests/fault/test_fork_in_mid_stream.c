/* SPDX-License-Identifier: MIT */
/* fork() in mid-stream, from outside and from a callback: the child hears -ENODEV, the parent nothing at all. */

#include "fault.h"

CHILD_MAY_START_THREADS

static struct rig rig;
static struct stream s;

/* Of the parent's it may only ask, and free; of its own it may make what it likes. */
static void child(bool allocates)
{
	struct task t;

	signal(SIGALRM, SIG_DFL);
	alarm(60);
	task_init(&t, 0, parallel_finish, serial_note);
	CHECK_EQ(padata_do_parallel(rig.inst, &t.p, usable_cpu(0)), -ENODEV);
	CHECK_EQ(padata_wait_room(rig.inst), -ENODEV);
	CHECK_EQ(padata_flush(rig.inst), -ENODEV);
	CHECK_EQ(padata_room_fd(rig.inst), -ENODEV);
	CHECK_EQ(padata_add_cpu(rig.inst, usable_cpu(0)), -ENODEV);
	CHECK_EQ(padata_set_window(rig.inst, 9), -ENODEV);
	errno = 0;
	CHECK(!padata_alloc(cpu_active_mask, rig.wq));
	CHECK_EQ(errno, ENODEV);
	CHECK(!queue_work(rig.wq, &(struct work_struct){0}));
	flush_workqueue(rig.wq);
	if (!SANITIZED) {
		padata_free(rig.inst);
		destroy_workqueue(rig.wq);
	}
	if (allocates && !SANITIZED) {
		static struct stream own_stream;
		struct rig own = rig_make(5);

		stream_open(&own_stream, own.inst);
		for (int i = 0; i < 50; i++)
			while (stream_submit(&own_stream) == -EBUSY)
				stream_wait_room(&own_stream);
		stream_close(&own_stream);
		rig_end(own);
	}
	_exit(0);
}

static void fork_once(bool allocates)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		child(allocates);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void from_outside(void)
{
	rig = rig_make(12);
	CHECK(padata_room_fd(rig.inst) >= 0);
	stream_begin(&s, rig.inst);
	fflush(stdout);
	for (int i = 0; i < 60; i++) {
		fork_once(i % 6 == 0);
		stream_flows(&s, chance(40));
	}
	stream_end(&s);
	rig_end(rig);
}

static void fork_and_finish(struct padata_priv *padata)
{
	fork_once(false);
	padata_do_serial(padata);
}

static void fork_and_note(struct padata_priv *padata)
{
	fork_once(false);
	note_serial(TASK(padata));
}

/* Two streams on one instance: this one's callbacks fork. */
static void from_callbacks(void)
{
	rig = rig_make(12);
	record_clear();
	stream_begin(&s, rig.inst);
	fflush(stdout);
	for (int i = 0; i < 20; i++) {
		struct task t;

		task_init(&t, i, i % 2 ? parallel_finish : fork_and_finish, i % 2 ? fork_and_note : serial_note);
		accept_in_time(rig.inst, &t, usable_cpu((unsigned int)(i % usable_cpus())));
		CHECK_EQ(padata_flush(rig.inst), 0);
		CHECK_EQ(atomic_load(&t.serials), 1);
	}
	stream_end(&s);
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"L6 E2 fork in mid-stream: the child is refused, the parent's stream is whole", from_outside},
	{"L6 E2 fork inside callbacks in mid-stream", from_callbacks},
};

TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */
/* After fork() (L6). */

#include "contract.h"

CHILD_MAY_START_THREADS

static struct rig rig;

static void nothing(struct work_struct *work)
{
	(void)work;
}

/*
 * A rig to fork with. A thread that begins takes locks of a sanitizer's allocator, which keeps them across fork(), as
 * the C library's own does not: with one, every worker has begun before anybody forks.
 */
static struct rig rig_to_fork(void)
{
	struct rig made = rig_make(0);
	struct work_struct first;

	for (int i = 0; SANITIZED && i < usable_cpus(); i++) {
		INIT_WORK(&first, nothing);
		CHECK(queue_work_on(usable_cpu((unsigned int)i), made.wq, &first));
		flush_workqueue(made.wq);
	}
	return made;
}

static void child_begins(void)
{
	signal(SIGALRM, SIG_DFL);
	alarm(60);
}

/* The status with which the child ended: 0, or the line of the check that failed. */
static void child_ended_well(pid_t pid)
{
	int status;
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		printf("# the child ended with status %#x\n", (unsigned int)status);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
}

static void inherited_calls_fail(struct padata_instance *inst)
{
	struct task t;
	struct cpumask mask;
	task_init(&t, 0, parallel_finish, serial_note);
	cpumask_copy(&mask, cpu_active_mask);
	struct padata_priv before = t.p;
	CHECK_EQ(padata_do_parallel(inst, &t.p, usable_cpu(0)), -ENODEV);
	CHECK_EQ(memcmp(&before, &t.p, sizeof(before)), 0);
	CHECK_EQ(padata_flush(inst), -ENODEV);
	CHECK_EQ(padata_wait_room(inst), -ENODEV);
	CHECK_EQ(padata_set_cpumask(inst, &mask), -ENODEV);
	CHECK_EQ(padata_add_cpu(inst, usable_cpu(0)), -ENODEV);
	CHECK_EQ(padata_remove_cpu(inst, usable_cpu(0)), -ENODEV);
	CHECK_EQ(padata_set_window(inst, 5), -ENODEV);
	CHECK(padata_room_fd(inst) < 0);
	padata_stop(inst);
	padata_start(inst);
	CHECK_EQ(padata_do_parallel(inst, &t.p, usable_cpu(0)), -ENODEV);
}

/*
 * The thread sanitizer takes a new thread with a stack of one that the parent had for a duplicate, and exits. And
 * it takes a lock of its own when memory is freed, which a worker of the parent may have held: with it, the child
 * frees nothing.
 */
static void own_instance_works(void)
{
	if (THREAD_SANITIZED)
		return;
	struct rig own = rig_make(3);
	struct task *t = tasks_make(300, parallel_finish, serial_note);
	record_clear();
	for (int i = 0; i < 300; i++)
		accept_in_time(own.inst, &t[i], usable_cpu(0));
	rig_end(own);
	CHECK_EQ(recorded(), 300);
	for (int i = 0; i < 300; i++)
		CHECK_EQ(record.ids[i], i);
	free(t);
}

static void fork_with_work_in_flight(void)
{
	enum { N = 333 };
	rig = rig_to_fork();
	record_clear();
	struct task *t = tasks_make(N, parallel_leave, serial_note);
	for (int i = 0; i < N; i++)
		accept_task(rig.inst, &t[i], usable_cpu(0));
	CHECK(padata_room_fd(rig.inst) >= 0);
	fflush(stdout);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		child_begins();
		inherited_calls_fail(rig.inst);
		if (!THREAD_SANITIZED)
			padata_free(rig.inst);
		own_instance_works();
		_exit(0);
	}
	child_ended_well(pid);
	for (int i = N - 1; i >= 0; i--) {
		EVENTUALLY(atomic_load(&t[i].parallels) == 1);
		padata_do_serial(&t[i].p);
	}
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(recorded(), N);
	for (int i = 0; i < N; i++)
		CHECK_EQ(record.ids[i], i);
	rig_end(rig);
	free(t);
}

static void fork_of_an_idle_instance(void)
{
	rig = rig_to_fork();
	struct padata_instance *stopped = padata_alloc(cpu_active_mask, rig.wq);
	CHECK(stopped);
	fflush(stdout);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		child_begins();
		inherited_calls_fail(rig.inst);
		inherited_calls_fail(stopped);
		if (!THREAD_SANITIZED) {
			padata_free(rig.inst);
			padata_free(stopped);
			destroy_workqueue(rig.wq);
		}
		own_instance_works();
		_exit(0);
	}
	child_ended_well(pid);
	padata_free(stopped);
	struct task t;
	task_init(&t, 0, parallel_finish, serial_note);
	accept_task(rig.inst, &t, usable_cpu(0));
	rig_end(rig);
	CHECK_EQ(atomic_load(&t.serials), 1);
}

static void fork_of_a_fork(void)
{
	rig = rig_to_fork();
	fflush(stdout);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		child_begins();
		if (THREAD_SANITIZED)
			_exit(0);
		struct rig own = rig_to_fork();
		pid_t inner = fork();
		CHECK(inner >= 0);
		if (inner == 0) {
			child_begins();
			inherited_calls_fail(own.inst);
			inherited_calls_fail(rig.inst);
			own_instance_works();
			_exit(0);
		}
		child_ended_well(inner);
		inherited_calls_fail(rig.inst);
		rig_end(own);
		_exit(0);
	}
	child_ended_well(pid);
	rig_end(rig);
}

static atomic_int callback_child;

static void fork_in_callback(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		child_begins();
		inherited_calls_fail(rig.inst);
		own_instance_works();
		_exit(0);
	}
	atomic_store(&callback_child, pid);
}

static void parallel_forks(struct padata_priv *padata)
{
	fork_in_callback();
	padata_do_serial(padata);
}

static void serial_forks(struct padata_priv *padata)
{
	fork_in_callback();
	note_serial(TASK(padata));
}

static void fork_inside_callbacks(void)
{
	rig = rig_to_fork();
	fflush(stdout);
	for (int i = 0; i < 6; i++) {
		struct task t;
		task_init(&t, 0, i & 1 ? parallel_finish : parallel_forks, i & 1 ? serial_forks : serial_note);
		atomic_store(&callback_child, 0);
		accept_task(rig.inst, &t, usable_cpu((unsigned int)(i % usable_cpus())));
		CHECK_EQ(padata_flush(rig.inst), 0);
		CHECK(atomic_load(&callback_child) > 0);
		child_ended_well(atomic_load(&callback_child));
	}
	rig_end(rig);
}

static atomic_int enough;

static void *produce(void *argument)
{
	struct task *t = argument;
	while (!atomic_load(&enough)) {
		for (int i = 0; i < 64; i++)
			accept_in_time(rig.inst, &t[i], t[i].cb_cpu);
		CHECK_EQ(padata_flush(rig.inst), 0);
	}
	return NULL;
}

static void *change(void *unused)
{
	(void)unused;
	while (!atomic_load(&enough))
		CHECK_EQ(padata_add_cpu(rig.inst, usable_cpu(0)), 0);
	return NULL;
}

/*
 * The child must not find a lock that another thread of the parent held. A sanitizer's own allocator keeps such locks
 * across fork(), which the C library's does not: with one, the child neither allocates nor frees.
 */
static void fork_under_load(void)
{
	rig = rig_make(5);
	atomic_store(&enough, 0);
	struct task *t = tasks_make(3 * 64, parallel_finish, serial_note);
	for (int i = 0; i < 3 * 64; i++) {
		t[i].p.serial = parallel_leave; /* only counts */
		t[i].cb_cpu = usable_cpu((unsigned int)(i % usable_cpus()));
	}
	pthread_t threads[4];
	for (int i = 0; i < 3; i++)
		threads[i] = thread(produce, t + i * 64);
	threads[3] = thread(change, NULL);
	fflush(stdout);
	for (int i = 0; i < 30; i++) {
		pid_t pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			child_begins();
			inherited_calls_fail(rig.inst);
			if (!SANITIZED)
				padata_free(rig.inst);
			if (!SANITIZED && i % 5 == 0)
				own_instance_works();
			_exit(0);
		}
		child_ended_well(pid);
	}
	atomic_store(&enough, 1);
	for (int i = 0; i < 4; i++)
		join(threads[i]);
	for (int i = 0; i < 3 * 64; i++)
		CHECK(atomic_load(&t[i].parallels) > 0);
	rig_end(rig);
	free(t);
}

static const struct test_case cases[] = {
	{"L6 fork with work in flight: calls fail in the child, the parent goes on", fork_with_work_in_flight},
	{"L6 fork of an idle and of a stopped instance", fork_of_an_idle_instance},
	{"L6 fork of a child that has its own instance", fork_of_a_fork},
	{"L6 fork inside parallel() and serial()", fork_inside_callbacks},
	{"L6 fork while other threads submit and change the mask", fork_under_load},
};

TEST_MAIN(cases)

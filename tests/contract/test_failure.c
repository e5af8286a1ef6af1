/* SPDX-License-Identifier: MIT */
/* No memory, no threads: what each call answers, and that nothing is lost (L1, L5, M1). */

#include "alloc.h"
#include "contract.h"

static void no_threads(int none)
{
	atomic_store(&thread_fail, none);
}

static void workqueue_without_threads(void)
{
	no_threads(1);
	errno = 0;
	struct workqueue_struct *wq = create_workqueue("failure");
	int error = errno;
	no_threads(0);
	CHECK(!wq);
	CHECK_EQ(error, EAGAIN);
	destroy_workqueue(create_workqueue("failure"));
}

static void alloc_without_threads(void)
{
	if (usable_cpus() < 2)
		SKIP("one CPU: its worker is there with the queue");
	struct workqueue_struct *wq = create_workqueue("failure");
	CHECK(wq);
	no_threads(1);
	errno = 0;
	struct padata_instance *inst = padata_alloc(cpu_active_mask, wq);
	int error = errno;
	no_threads(0);
	CHECK(!inst);
	CHECK_EQ(error, EAGAIN);
	inst = padata_alloc(cpu_active_mask, wq);
	CHECK(inst);
	padata_free(inst);
	destroy_workqueue(wq);
}

static int works(struct padata_instance *inst, int cpu)
{
	struct task t;
	task_init(&t, 0, parallel_finish, serial_note);
	int result = padata_do_parallel(inst, &t.p, cpu);
	CHECK(result == -EINPROGRESS || result == -EINVAL);
	CHECK_EQ(padata_flush(inst), 0);
	record_clear();
	return result == -EINPROGRESS;
}

/* The queue has one worker from the start, of a CPU of its choice: one of the two rounds must lack one. */
static void mask_without_threads(void)
{
	if (usable_cpus() < 2)
		SKIP("one CPU");
	int failures = 0;
	for (unsigned int which = 0; which < 2; which++) {
		int own = usable_cpu(which), other = usable_cpu(1 - which);
		for (int set = 0; set < 2; set++) {
			struct workqueue_struct *wq = create_workqueue("failure");
			struct padata_instance *inst = padata_alloc(cpumask_of(own), wq);
			CHECK(inst);
			padata_start(inst);
			struct cpumask both;
			cpumask_or(&both, cpumask_of(own), cpumask_of(other));
			no_threads(1);
			int result = set ? padata_set_cpumask(inst, &both) : padata_add_cpu(inst, other);
			no_threads(0);
			CHECK(result == 0 || result == -EAGAIN);
			failures += result == -EAGAIN;
			CHECK(works(inst, own));
			CHECK_EQ(works(inst, other), result == 0);
			CHECK_EQ(padata_add_cpu(inst, other), 0);
			CHECK(works(inst, other));
			CHECK(works(inst, own));
			padata_free(inst);
			destroy_workqueue(wq);
		}
	}
	CHECK(failures >= 2);
}

/* queue_work_on() cannot fail: another worker runs what the CPU's own cannot. */
static void work_without_threads(void)
{
	struct workqueue_struct *wq = create_workqueue("failure");
	no_threads(1);
	for (int i = 0; i < usable_cpus(); i++)
		settle(wq, usable_cpu((unsigned int)i));
	no_threads(0);
	destroy_workqueue(wq);
}

static int write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	if (!f)
		return 0;
	int ok = fputs(text, f) >= 0;
	return fclose(f) == 0 && ok;
}

static char group[256];

static void in_a_full_pids_cgroup(void)
{
	char path[300], text[32];
	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	snprintf(text, sizeof(text), "%d", getpid());
	if (!write_file(path, text))
		_exit(3);
	snprintf(path, sizeof(path), "%s/pids.max", group);
	if (!write_file(path, "1"))
		_exit(3);
	errno = 0;
	CHECK(!create_workqueue("failure"));
	CHECK_EQ(errno, EAGAIN);
	if (!write_file(path, "max"))
		_exit(3);
	struct workqueue_struct *wq = create_workqueue("failure");
	CHECK(wq);
	destroy_workqueue(wq);
}

CHILD_MAY_START_THREADS

static void the_system_has_no_threads_left(void)
{
	snprintf(group, sizeof(group), "/sys/fs/cgroup/pids/padata-%d", getpid());
	if (mkdir(group, 0755) != 0)
		SKIP("no pids cgroup can be made");
	char text[4096];
	int status = in_child(in_a_full_pids_cgroup, text, sizeof(text));
	rmdir(group);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
		SKIP("the pids cgroup cannot be written");
	CHECK_EQ(status, 0);
}

#if SANITIZED
#define NEEDS_OUR_ALLOCATOR() SKIP("a sanitizer has its own allocator")
#else
#define NEEDS_OUR_ALLOCATOR() (void)0
#endif

/* The nth allocation of each call fails, for every n until the call gets by with fewer. */
#define EVERY_FAILURE(call, succeeded, after_failure)                                      \
	for (long n = 0, done = 0; !done; n++) {                                           \
		CHECK(n < 1000);                                                           \
		errno = 0;                                                                 \
		atomic_store(&alloc_fail, n);                                              \
		call;                                                                      \
		int error = errno;                                                         \
		long rest = atomic_exchange(&alloc_fail, -1);                              \
		done = rest >= 0;                                                          \
		CHECK(!done || (succeeded));                                               \
		if (!(succeeded)) {                                                        \
			after_failure;                                                     \
		}                                                                          \
		(void)error;                                                               \
	}

static void no_memory(void)
{
	NEEDS_OUR_ALLOCATOR();
	struct workqueue_struct *wq = NULL;
	EVERY_FAILURE(wq = create_workqueue("failure"), wq, CHECK(error == ENOMEM || error == EAGAIN))
	struct padata_instance *inst = NULL;
	EVERY_FAILURE(inst = padata_alloc(cpumask_of(usable_cpu(0)), wq), inst,
		      CHECK(error == ENOMEM || error == EAGAIN))
	int result = 0;
	EVERY_FAILURE(result = padata_set_window(inst, 4096), result == 0, {
		CHECK_EQ(result, -ENOMEM);
		CHECK_EQ(padata_get_window(inst), PADATA_DEFAULT_WINDOW);
	})
	CHECK_EQ(padata_get_window(inst), 4096);
	padata_start(inst);
	struct cpumask all;
	cpumask_copy(&all, cpu_active_mask);
	int last = usable_cpu((unsigned int)usable_cpus() - 1);
	EVERY_FAILURE(result = padata_set_cpumask(inst, &all), result == 0, {
		CHECK(result == -ENOMEM || result == -EAGAIN);
		CHECK(works(inst, usable_cpu(0)));
		CHECK(usable_cpus() == 1 || !works(inst, last));
	})
	CHECK(works(inst, last));
	EVERY_FAILURE(result = padata_remove_cpu(inst, last), result == 0, {
		CHECK_EQ(result, -ENOMEM);
		CHECK(works(inst, last));
	})
	EVERY_FAILURE(result = padata_room_fd(inst), result >= 0, CHECK_EQ(result, -ENOMEM))
	/* These have no answer for it, so they need none. */
	EVERY_FAILURE(result = padata_flush(inst), result == 0, CHECK_EQ(result, 0))
	EVERY_FAILURE(result = padata_wait_room(inst), result == 0, CHECK_EQ(result, 0))
	cpumask_var_t mask;
	bool got = false;
	EVERY_FAILURE(got = zalloc_cpumask_var(&mask, GFP_KERNEL), got, CHECK(!mask))
	free_cpumask_var(mask);
	EVERY_FAILURE(got = alloc_cpumask_var(&mask, GFP_KERNEL), got, CHECK(!mask))
	free_cpumask_var(mask);
	padata_free(inst);
	destroy_workqueue(wq);
}

static void whole_life(void)
{
	struct rig rig = rig_make(100);
	struct task t[50];
	record_clear();
	for (int i = 0; i < 50; i++) {
		task_init(&t[i], i, parallel_finish, serial_note);
		accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i % usable_cpus())));
	}
	CHECK(padata_room_fd(rig.inst) >= 0);
	CHECK_EQ(padata_remove_cpu(rig.inst, usable_cpu(0)), 0);
	CHECK_EQ(padata_add_cpu(rig.inst, usable_cpu(0)), 0);
	padata_stop(rig.inst);
	CHECK_EQ(padata_set_window(rig.inst, 5000), 0);
	rig_end(rig);
}

static void all_memory_comes_back(void)
{
	int threads = thread_count();
	whole_life(); /* what the C library keeps for threads to come is there after this */
	int files = open_files();
	whole_life();
	whole_life();
	long live = atomic_load(&alloc_live);
	for (int i = 0; i < 20; i++)
		whole_life();
#if !SANITIZED
	CHECK_EQ(atomic_load(&alloc_live), live);
#else
	(void)live; /* the leak checker looks at the end of the program */
#endif
	CHECK_EQ(open_files(), files);
	EVENTUALLY(thread_count() == threads);
}

/* In the child of a fork() an instance and its queue give back what they have, and do no more. */
static void memory_comes_back_in_a_child(void)
{
	NEEDS_OUR_ALLOCATOR();
	whole_life();
	whole_life();
	long live = atomic_load(&alloc_live);
	struct rig rig = rig_make(100);
	struct task t[50];
	for (int i = 0; i < 50; i++) {
		task_init(&t[i], i, parallel_leave, serial_note);
		accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i % usable_cpus())));
	}
	CHECK(padata_room_fd(rig.inst) >= 0);
	fflush(stdout);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		padata_free(rig.inst);
		destroy_workqueue(rig.wq);
		_exit(atomic_load(&alloc_live) == live ? 0 : 1);
	}
	int status;
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	for (int i = 0; i < 50; i++) {
		EVENTUALLY(atomic_load(&t[i].parallels) == 1);
		padata_do_serial(&t[i].p);
	}
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"L1 EAGAIN where the system has no threads left", the_system_has_no_threads_left},
	{"L1 create_workqueue: EAGAIN when no thread can be started", workqueue_without_threads},
	{"L1 padata_alloc: EAGAIN when a worker cannot be started", alloc_without_threads},
	{"M1 -EAGAIN when a worker cannot be started: the old mask stays", mask_without_threads},
	{"L5 queue_work_on where the CPU's worker cannot be started", work_without_threads},
	{"L1 M1 S4 every allocation fails once: ENOMEM, and nothing changed", no_memory},
	{"L5 memory, threads and files all come back", all_memory_comes_back},
	{"L6 memory comes back in the child of a fork() too", memory_comes_back_in_a_child},
};

TEST_MAIN(cases)

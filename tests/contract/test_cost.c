/* SPDX-License-Identifier: MIT */
/* What a task, an instance and idleness cost (K1, K2, S2). */

#include "alloc.h"
#include "contract.h"

#if SANITIZED
#define NEEDS_OUR_ALLOCATOR() SKIP("a sanitizer has its own allocator")
#else
#define NEEDS_OUR_ALLOCATOR() (void)0
#endif

static void no_allocation_per_task(void)
{
	NEEDS_OUR_ALLOCATOR();
	enum { TASKS = 512, ROUNDS = 100 };
	struct rig rig = rig_make(TASKS);
	struct task *t = tasks_make(TASKS, parallel_finish, serial_note);
	int last = usable_cpu((unsigned int)usable_cpus() - 1), first = usable_cpu(0);
	for (int round = 0; round < ROUNDS; round++) {
		/* The first round may bring up what the instance keeps. */
		static long calls;
		if (round == 1)
			calls = atomic_load(&alloc_calls);
		record_clear();
		for (int i = 0; i < TASKS; i++)
			accept_in_time(rig.inst, &t[i], i % 2 ? first : last);
		CHECK_EQ(padata_do_parallel(rig.inst, &t[0].p, PADATA_NR_CPUS), -EINVAL);
		EVENTUALLY(recorded() == TASKS);
		if (round >= 1)
			CHECK_EQ(atomic_load(&alloc_calls), calls);
	}
	rig_end(rig);
	free(t);
}

/* Thousands unfinished, out of order: what waits in the window allocates nothing either. */
static void no_allocation_out_of_order(void)
{
	NEEDS_OUR_ALLOCATOR();
	enum { TASKS = 4000 };
	struct rig rig = rig_make(TASKS);
	struct task *t = tasks_make(TASKS, parallel_leave, serial_note);
	record_clear();
	accept_task(rig.inst, &t[0], usable_cpu(0));
	EVENTUALLY(atomic_load(&t[0].parallels) == 1);
	long calls = atomic_load(&alloc_calls);
	for (int i = 1; i < TASKS; i++)
		accept_task(rig.inst, &t[i], usable_cpu(0));
	for (int i = TASKS - 1; i >= 0; i--) {
		EVENTUALLY(atomic_load(&t[i].parallels) == 1);
		padata_do_serial(&t[i].p);
	}
	EVENTUALLY(recorded() == TASKS);
	CHECK_EQ(atomic_load(&alloc_calls), calls);
	rig_end(rig);
	free(t);
}

static void a_submission_never_allocates(void)
{
	NEEDS_OUR_ALLOCATOR();
	struct rig rig = rig_make(100);
	struct task *t = tasks_make(100, parallel_leave, serial_note);
	record_clear();
	long calls = atomic_load(&alloc_calls);
	for (int i = 0; i < 100; i++)
		accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i % usable_cpus())));
	CHECK_EQ(atomic_load(&alloc_calls), calls); /* the very first ones, with nothing warmed up */
	for (int i = 0; i < 100; i++) {
		EVENTUALLY(atomic_load(&t[i].parallels) == 1);
		padata_do_serial(&t[i].p);
	}
	rig_end(rig);
	free(t);
}

static long bytes_of_an_instance(struct workqueue_struct *wq, unsigned int window)
{
	long before = atomic_load(&alloc_bytes);
	struct padata_instance *inst = padata_alloc(cpu_active_mask, wq);
	CHECK(inst);
	CHECK_EQ(padata_set_window(inst, window), 0);
	padata_start(inst);
	struct task *t = tasks_make((int)window, parallel_leave, serial_note);
	before += (long)malloc_usable_size(t);
	for (int round = 1; round <= 3; round++) {
		record_clear();
		for (unsigned int i = 0; i < window; i++)
			accept_in_time(inst, &t[i], usable_cpu(0));
		for (unsigned int i = 0; i < window; i++) {
			EVENTUALLY(atomic_load(&t[i].parallels) == round);
			padata_do_serial(&t[i].p);
		}
		CHECK_EQ(padata_flush(inst), 0);
	}
	long bytes = atomic_load(&alloc_bytes) - before;
	padata_free(inst);
	free(t);
	return bytes;
}

/* Memory follows the window: no more than in proportion, and back when the window shrinks. */
static void memory_grows_with_the_window(void)
{
	NEEDS_OUR_ALLOCATOR();
	struct workqueue_struct *wq = create_workqueue("cost");
	CHECK(wq);
	bytes_of_an_instance(wq, 1); /* starts the workers */
	long one = bytes_of_an_instance(wq, 1), thousand = bytes_of_an_instance(wq, 1024);
	long many = bytes_of_an_instance(wq, 16 * 1024);
	CHECK(one > 0);
	CHECK(one <= thousand);
	CHECK(thousand < many);
	CHECK(many <= 32 * thousand);
	CHECK(bytes_of_an_instance(wq, 1) <= one + one / 4); /* a block may be a little larger than was asked for */
	destroy_workqueue(wq);
}

static double seconds(clockid_t clock)
{
	struct timespec t;
	CHECK_EQ(clock_gettime(clock, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* CPU time of all threads but the caller's. */
static double spent_by_others(void)
{
	return seconds(CLOCK_PROCESS_CPUTIME_ID) - seconds(CLOCK_THREAD_CPUTIME_ID);
}

/* An idle process with eight instances: what it uses in two seconds, against a minute's millisecond. */
static void idleness_is_free(void)
{
	if (SANITIZED)
		SKIP("a sanitizer has threads of its own");
	enum { INSTANCES = 8, IDLE = 2 };
	struct workqueue_struct *wq[2] = {create_workqueue("idle"), create_workqueue("idle")};
	struct padata_instance *inst[INSTANCES];
	struct task t[INSTANCES][20];
	record_clear();
	for (int i = 0; i < INSTANCES; i++) {
		inst[i] = padata_alloc(cpu_active_mask, wq[i % 2]);
		CHECK(inst[i]);
		padata_start(inst[i]);
		CHECK(padata_room_fd(inst[i]) >= 0);
		for (int k = 0; k < 20; k++) {
			task_init(&t[i][k], k, parallel_finish, serial_note);
			accept_task(inst[i], &t[i][k], usable_cpu((unsigned int)(k % usable_cpus())));
		}
		CHECK_EQ(padata_flush(inst[i]), 0);
	}
	padata_stop(inst[3]);
	sleep(1); /* what follows the last task, be it a look at the CPUs a second later, is over */
	double before = spent_by_others();
	sleep(IDLE);
	double used = spent_by_others() - before;
	printf("# %.1f us of CPU in %d idle seconds\n", used * 1e6, IDLE);
	CHECK(used < 5 * 0.001 / 60 * IDLE);
	for (int i = 0; i < INSTANCES; i++)
		padata_free(inst[i]);
	destroy_workqueue(wq[0]);
	destroy_workqueue(wq[1]);
}

/* Tasks that are unfinished, and wait for somebody's hand, cost nothing either. */
static void waiting_is_free(void)
{
	if (SANITIZED)
		SKIP("a sanitizer has threads of its own");
	struct rig rig = rig_make(0);
	struct task *t = tasks_make(100, parallel_leave, serial_note);
	record_clear();
	for (int i = 0; i < 100; i++)
		accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i % usable_cpus())));
	for (int i = 0; i < 100; i++)
		EVENTUALLY(atomic_load(&t[i].parallels) == 1);
	for (int i = 1; i < 100; i++)
		padata_do_serial(&t[i].p);
	usleep(100000);
	double before = spent_by_others();
	sleep(1);
	double used = spent_by_others() - before;
	printf("# %.1f us of CPU in a second of waiting\n", used * 1e6);
	CHECK(used < 0.005); /* no promise has a number for this; a spinning worker uses a second */
	padata_do_serial(&t[0].p);
	rig_end(rig);
	CHECK_EQ(recorded(), 100);
	free(t);
}

static void size_of_a_task(void)
{
	CHECK(sizeof(struct padata_priv) <= 64);
}

static const struct test_case cases[] = {
	{"K1 no memory allocation per task", no_allocation_per_task},
	{"K1 none for tasks that wait in the window", no_allocation_out_of_order},
	{"S2 a submission never allocates, the first included", a_submission_never_allocates},
	{"K1 memory per instance grows with its window alone", memory_grows_with_the_window},
	{"K2 an idle process with eight instances uses no CPU time", idleness_is_free},
	{"K2 unfinished tasks are waited for asleep", waiting_is_free},
	{"K1 a task is at most 64 bytes", size_of_a_task},
};

TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */
/* CPUs that come and go under the instance (M5). */

#include "affinity.h"
#include "contract.h"

static struct rig rig;
static int cpu_a, cpu_b;
static struct cpumask both, only_a;

/* Runs the body with each way to restrict the process, and puts all back. */
static int each_way(void (*body)(enum who who))
{
	if (usable_cpus() < 2)
		return 0;
	cpu_a = usable_cpu(0);
	cpu_b = usable_cpu(1);
	cpumask_clear(&both);
	cpumask_clear(&only_a);
	cpumask_set_cpu((unsigned int)cpu_a, &only_a);
	cpumask_or(&both, &only_a, cpumask_of(cpu_b));
	struct cpumask all;
	cpumask_copy(&all, cpu_active_mask);
	for (enum who who = MAIN_THREAD; who <= CPUSET; who++) {
		if (who == CPUSET && !cpuset_enter()) {
			printf("# no cpuset can be made here: checked by affinity alone\n");
			continue;
		}
		body(who);
		if (who == CPUSET)
			cpuset_leave();
		restrict_to(ALL_THREADS, &all);
	}
	return 1;
}

static int submit(struct task *t, int cpu)
{
	task_init(t, 0, parallel_finish, serial_note);
	t->cb_cpu = cpu;
	return padata_do_parallel(rig.inst, &t->p, cpu);
}

/* The answer for CPU B, now. */
static int ask_b(void)
{
	struct task t;
	record_clear();
	int result = submit(&t, cpu_b);
	CHECK(result == -EINPROGRESS || result == -EINVAL || result == -EBUSY);
	CHECK_EQ(padata_flush(rig.inst), 0);
	if (result == -EINPROGRESS)
		CHECK_EQ(atomic_load(&t.serials), 1);
	return result;
}

/* Keep tasks flowing on both CPUs until B's answer is this one. */
static void flow_until(int answer)
{
	static struct task t[64];
	int result;
	do {
		int accepted = 0;
		record_clear();
		for (int i = 0; i < 64; i++)
			accepted += submit(&t[i], i % 2 ? cpu_b : cpu_a) == -EINPROGRESS;
		CHECK_EQ(padata_flush(rig.inst), 0);
		CHECK_EQ(recorded(), accepted);
		usleep(1000);
		result = ask_b();
	} while (result != answer);
}

static struct timespec now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t;
}

static double since(struct timespec then)
{
	struct timespec t = now();
	return (double)(t.tv_sec - then.tv_sec) + (double)(t.tv_nsec - then.tv_nsec) / 1e9;
}

/* "Within a second", and as much again for each way in which a loaded machine can be late. */
static const double SECOND = 8.0;

static void cb_and_parallel_on_both(void)
{
	struct task t[200];
	int on_b = 0;
	record_clear();
	for (int i = 0; i < 200; i++) {
		int cpu = i % 2 ? cpu_b : cpu_a;
		CHECK_EQ(submit(&t[i], cpu), -EINPROGRESS);
	}
	CHECK_EQ(padata_flush(rig.inst), 0);
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(atomic_load(&t[i].serial_cpu), t[i].cb_cpu);
		on_b += atomic_load(&t[i].serial_cpu) == cpu_b;
	}
	CHECK_EQ(on_b, 100);
}

/* The worker that runs this may run nowhere else. */
static void pinned(struct padata_priv *padata)
{
	cpu_set_t set;
	CHECK_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	CHECK_EQ(CPU_COUNT(&set), 1);
	CHECK(CPU_ISSET((unsigned int)TASK(padata)->cb_cpu, &set));
	note_serial(TASK(padata));
}

static void workers_are_pinned(void)
{
	struct task t[2];
	record_clear();
	for (int i = 0; i < 2; i++) {
		task_init(&t[i], i, parallel_finish, pinned);
		accept_task(rig.inst, &t[i], i ? cpu_b : cpu_a);
	}
	CHECK_EQ(padata_flush(rig.inst), 0);
	cb_and_parallel_on_both();
}

static void rig_begin(void)
{
	rig.wq = create_workqueue("usable");
	rig.inst = padata_alloc(&both, rig.wq);
	CHECK(rig.inst);
	padata_start(rig.inst);
}

/* taskset -a and back sets every worker free: the next mask call puts each where it belongs. */
static void freed_and_called(enum who who)
{
	rig_begin();
	cb_and_parallel_on_both();
	CHECK(restrict_to(who, &only_a));
	CHECK(restrict_to(who, &both));
	CHECK_EQ(padata_set_cpumask(rig.inst, &both), 0);
	workers_are_pinned();
	CHECK(restrict_to(who, &only_a));
	CHECK(restrict_to(who, &both));
	CHECK_EQ(padata_add_cpu(rig.inst, cpu_b), 0);
	workers_are_pinned();
	rig_end(rig);
}

static void a_mask_call_pins_every_worker(void)
{
	if (!each_way(freed_and_called))
		SKIP("one CPU");
}

static void only_on_a(void)
{
	struct task t[200];
	record_clear();
	for (int i = 0; i < 200; i++)
		CHECK_EQ(submit(&t[i], i % 2 ? cpu_b : cpu_a), i % 2 ? -EINVAL : -EINPROGRESS);
	CHECK_EQ(padata_flush(rig.inst), 0);
	for (int i = 0; i < 200; i += 2) {
		CHECK_EQ(atomic_load(&t[i].parallel_cpu), cpu_a);
		CHECK_EQ(atomic_load(&t[i].serial_cpu), cpu_a);
	}
}

static void grows_before_a_mask_call(enum who who)
{
	CHECK(restrict_to(who, &only_a));
	rig_begin();
	CHECK_EQ(ask_b(), -EINVAL);
	only_on_a();
	CHECK(restrict_to(who, &both));
	CHECK_EQ(padata_set_cpumask(rig.inst, &both), 0);
	cb_and_parallel_on_both();
	rig_end(rig);
}

static void grown_is_noticed_at_a_mask_call(void)
{
	if (!each_way(grows_before_a_mask_call))
		SKIP("one CPU");
}

/* padata_add_cpu() of a CPU that the mask has is a mask call as well. */
static void grows_before_add_cpu(enum who who)
{
	CHECK(restrict_to(who, &only_a));
	rig_begin();
	CHECK_EQ(ask_b(), -EINVAL);
	CHECK(restrict_to(who, &both));
	CHECK_EQ(padata_add_cpu(rig.inst, cpu_a), 0);
	cb_and_parallel_on_both();
	rig_end(rig);
}

static void grown_is_noticed_at_add_cpu(void)
{
	if (!each_way(grows_before_add_cpu))
		SKIP("one CPU");
}

static void grows_while_tasks_flow(enum who who)
{
	CHECK(restrict_to(who, &only_a));
	rig_begin();
	CHECK_EQ(ask_b(), -EINVAL);
	CHECK(restrict_to(who, &both));
	struct timespec then = now();
	flow_until(-EINPROGRESS);
	CHECK(since(then) < SECOND);
	cb_and_parallel_on_both();
	rig_end(rig);
}

static void grown_is_noticed_while_tasks_flow(void)
{
	if (!each_way(grows_while_tasks_flow))
		SKIP("one CPU");
}

static atomic_int enough;

static void *load(void *argument)
{
	struct task *t = argument;
	long done = 0;
	while (!atomic_load(&enough)) {
		int accepted = 0, serials = 0;
		for (int i = 0; i < 50; i++) {
			task_init(&t[i], 0, parallel_finish, serial_note);
			int result = padata_do_parallel(rig.inst, &t[i].p, i % 2 ? cpu_b : cpu_a);
			CHECK(result == -EINPROGRESS || result == -EINVAL || result == -EBUSY);
			accepted += result == -EINPROGRESS;
		}
		CHECK_EQ(padata_flush(rig.inst), 0);
		for (int i = 0; i < 50; i++)
			serials += atomic_load(&t[i].serials);
		CHECK_EQ(serials, accepted);
		done += accepted;
		atomic_store(&record.taken, 0); /* what the record says is not looked at */
	}
	CHECK(done > 0);
	return NULL;
}

static void shrinks_and_grows_under_load(enum who who)
{
	rig_begin();
	atomic_store(&enough, 0);
	struct task *t = tasks_make(150, parallel_finish, serial_note);
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		threads[i] = thread(load, t + i * 50);
	for (int i = 0; i < 60; i++) {
		CHECK(restrict_to(who, i % 2 ? &both : &only_a));
		usleep(300); /* only to let the load find its way into every state */
		if (i % 3 == 0)
			CHECK_EQ(padata_set_cpumask(rig.inst, &both), 0);
	}
	atomic_store(&enough, 1);
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	CHECK(restrict_to(who, &both));
	CHECK_EQ(padata_set_cpumask(rig.inst, &both), 0);
	cb_and_parallel_on_both();
	rig_end(rig);
	free(t);
}

static void no_task_is_lost(void)
{
	if (!each_way(shrinks_and_grows_under_load))
		SKIP("one CPU");
}

/* Accepted while B was usable, unfinished when it goes: they complete all the same, in order. */
static void shrinks_with_tasks_outstanding(enum who who)
{
	enum { N = 300 };
	rig_begin();
	record_clear();
	struct task *t = tasks_make(N, parallel_leave, serial_note);
	for (int i = 0; i < N; i++)
		accept_task(rig.inst, &t[i], cpu_b);
	for (int i = 0; i < N / 2; i++)
		EVENTUALLY(atomic_load(&t[i].parallels) == 1);
	CHECK(restrict_to(who, &only_a));
	for (int i = N - 1; i >= 0; i--) {
		EVENTUALLY(atomic_load(&t[i].parallels) == 1);
		padata_do_serial(&t[i].p);
	}
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(recorded(), N);
	for (int i = 0; i < N; i++)
		CHECK_EQ(record.ids[i], i);
	CHECK_EQ(padata_set_cpumask(rig.inst, &both), 0);
	only_on_a();
	CHECK(restrict_to(who, &both));
	struct timespec then = now();
	flow_until(-EINPROGRESS);
	CHECK(since(then) < SECOND);
	cb_and_parallel_on_both();
	rig_end(rig);
	free(t);
}

static void a_cpu_that_goes_is_left(void)
{
	if (!each_way(shrinks_with_tasks_outstanding))
		SKIP("one CPU");
}

static void shrinks_while_tasks_flow(enum who who)
{
	rig_begin();
	cb_and_parallel_on_both();
	CHECK(restrict_to(who, &only_a));
	struct timespec then = now();
	flow_until(-EINVAL);
	CHECK(since(then) < SECOND);
	only_on_a();
	CHECK(restrict_to(who, &both));
	CHECK_EQ(padata_set_cpumask(rig.inst, &both), 0);
	cb_and_parallel_on_both();
	rig_end(rig);
}

static void shrunk_is_noticed_while_tasks_flow(void)
{
	if (!each_way(shrinks_while_tasks_flow))
		SKIP("one CPU");
}

static atomic_int tid_b;

static void serial_tells_tid(struct padata_priv *padata)
{
	(void)padata;
	atomic_store(&tid_b, gettid());
}

/* Only the worker of B is moved; the process may still use both. */
static void a_moved_worker_comes_back(void)
{
	if (usable_cpus() < 2)
		SKIP("one CPU");
	cpu_a = usable_cpu(0);
	cpu_b = usable_cpu(1);
	cpumask_copy(&only_a, cpumask_of(cpu_a));
	cpumask_or(&both, &only_a, cpumask_of(cpu_b));
	rig_begin();
	struct task t;
	task_init(&t, 0, parallel_finish, serial_tells_tid);
	accept_task(rig.inst, &t, cpu_b);
	CHECK_EQ(padata_flush(rig.inst), 0);
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((unsigned int)cpu_a, &set);
	for (int round = 0; round < 2; round++) {
		CHECK_EQ(sched_setaffinity(atomic_load(&tid_b), sizeof(set), &set), 0);
		if (round) {
			CHECK_EQ(padata_set_cpumask(rig.inst, &both), 0);
		} else {
			struct timespec then = now();
			int cpu;
			do {
				struct task flow[20];
				record_clear();
				for (int i = 0; i < 20; i++)
					CHECK(submit(&flow[i], cpu_b) == -EINPROGRESS);
				CHECK_EQ(padata_flush(rig.inst), 0);
				CHECK_EQ(recorded(), 20);
				cpu = atomic_load(&flow[19].serial_cpu);
				usleep(1000);
			} while (cpu != cpu_b);
			CHECK(since(then) < SECOND);
		}
		cb_and_parallel_on_both();
	}
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"M5 a CPU that became usable is used after padata_set_cpumask()", grown_is_noticed_at_a_mask_call},
	{"M5 a CPU that became usable is used after padata_add_cpu() of another", grown_is_noticed_at_add_cpu},
	{"M5 a CPU that became usable is used within a second while tasks flow",
	 grown_is_noticed_while_tasks_flow},
	{"M5 S1 a CPU that stopped being usable is refused within a second while tasks flow",
	 shrunk_is_noticed_while_tasks_flow},
	{"M5 tasks of a CPU that goes complete, in order, and it can come back", a_cpu_that_goes_is_left},
	{"M5 no task is lost while CPUs come and go under load", no_task_is_lost},
	{"M5 E1 after a mask call every worker is pinned to its CPU again", a_mask_call_pins_every_worker},
	{"M5 a worker that the system has moved goes back to its CPU", a_moved_worker_comes_back},
};

TEST_MAIN(cases)

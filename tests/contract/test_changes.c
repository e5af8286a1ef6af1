/* SPDX-License-Identifier: MIT */
/* Mask changes against each other, against stop and free (M4). */

#include "contract.h"

static struct rig rig;
static struct padata_instance *inst;
static struct cpumask only[2];

static void *set_only(void *argument)
{
	struct cpumask *mask = argument;
	CHECK_EQ(padata_set_cpumask(rig.inst, mask), 0);
	return NULL;
}

static int answer(struct task *t, int cpu)
{
	task_init(t, 0, parallel_finish, serial_note);
	return padata_do_parallel(rig.inst, &t->p, cpu);
}

/* Both changes wait for the same task; the mask is then that of the one or of the other. */
static void two_at_once(void)
{
	if (usable_cpus() < 2)
		SKIP("one CPU");
	rig = rig_make(0);
	for (int i = 0; i < 2; i++)
		cpumask_copy(&only[i], cpumask_of(usable_cpu((unsigned int)i)));
	for (int round = 0; round < 200; round++) {
		struct task t, a, b;
		struct cpumask all;
		cpumask_copy(&all, cpu_active_mask);
		record_clear();
		CHECK_EQ(padata_set_cpumask(rig.inst, &all), 0);
		task_init(&t, 0, parallel_leave, serial_note);
		accept_task(rig.inst, &t, usable_cpu(0));
		pthread_t first = thread(set_only, &only[0]), second = thread(set_only, &only[1]);
		EVENTUALLY(atomic_load(&t.parallels) == 1);
		if (round % 2)
			usleep(200);
		padata_do_serial(&t.p);
		join(first);
		join(second);
		int on_a = answer(&a, usable_cpu(0)), on_b = answer(&b, usable_cpu(1));
		CHECK(on_a == -EINPROGRESS || on_a == -EINVAL);
		CHECK(on_b == -EINPROGRESS || on_b == -EINVAL);
		CHECK((on_a == -EINPROGRESS) != (on_b == -EINPROGRESS));
		CHECK_EQ(padata_flush(rig.inst), 0);
	}
	rig_end(rig);
}

static atomic_int enough;

static void *changer(void *argument)
{
	uint64_t seed = (uint64_t)(uintptr_t)argument;
	struct cpumask mask;
	while (!atomic_load(&enough)) {
		uint64_t r = random_next(&seed) >> 32;
		int cpu = usable_cpu((unsigned int)(r >> 4) % (unsigned int)usable_cpus());
		switch (r % 4) {
		case 0:
			CHECK_EQ(padata_add_cpu(rig.inst, cpu), 0);
			break;
		case 1:
			CHECK_EQ(padata_remove_cpu(rig.inst, cpu), 0);
			break;
		case 2:
			cpumask_copy(&mask, cpumask_of(cpu));
			CHECK_EQ(padata_set_cpumask(rig.inst, &mask), 0);
			break;
		default:
			cpumask_copy(&mask, cpu_active_mask);
			CHECK_EQ(padata_set_cpumask(rig.inst, &mask), 0);
		}
	}
	return NULL;
}

static void *toggler(void *unused)
{
	(void)unused;
	while (!atomic_load(&enough)) {
		padata_stop(rig.inst);
		sched_yield();
		padata_start(rig.inst);
		usleep(50);
	}
	return NULL;
}

static void changes_stops_and_tasks(void)
{
	enum { N = 20000 };
	rig = rig_make(7);
	record_clear();
	atomic_store(&enough, 0);
	pthread_t threads[4];
	for (uintptr_t i = 0; i < 3; i++)
		threads[i] = thread(changer, (void *)(i * 977 + 13)); /* NOLINT: a number in a pointer's place */
	threads[3] = thread(toggler, NULL);
	struct task *t = tasks_make(N, parallel_finish, serial_note);
	int accepted = 0;
	for (int i = 0; i < N; i++) {
		t[i].id = accepted;
		t[i].cb_cpu = usable_cpu((unsigned int)(i % usable_cpus()));
		int result = padata_do_parallel(rig.inst, &t[i].p, t[i].cb_cpu);
		CHECK(result == -EINPROGRESS || result == -EBUSY || result == -EINVAL || result == 0);
		accepted += result == -EINPROGRESS;
		if (result != -EINPROGRESS)
			usleep(1);
	}
	atomic_store(&enough, 1);
	for (int i = 0; i < 4; i++)
		join(threads[i]);
	rig_end(rig);
	CHECK_EQ(recorded(), accepted);
	CHECK(accepted > 0);
	int seen = 0;
	for (int i = 0; i < N; i++) {
		int serials = atomic_load(&t[i].serials);
		CHECK_EQ(serials, atomic_load(&t[i].parallels));
		CHECK(serials <= 1);
		if (serials)
			CHECK_EQ(atomic_load(&t[i].serial_cpu), t[i].cb_cpu);
		seen += serials;
	}
	CHECK_EQ(seen, accepted);
	free(t);
}

/* A change is known to be under way by the -EBUSY that it causes. */
static void until_busy(struct task *t, int max)
{
	for (int i = 0; i < max; i++) {
		int result = padata_do_parallel(inst, &t[i].p, usable_cpu(0));
		if (result == -EBUSY)
			return;
		CHECK_EQ(result, -EINPROGRESS);
		usleep(20);
	}
	CHECK(!"no -EBUSY");
}

static atomic_int change_result;

static void *change_inst(void *argument)
{
	struct cpumask mask;
	cpumask_copy(&mask, cpumask_of(usable_cpu(0)));
	atomic_store(&change_result, 1);
	int result = argument ? padata_set_cpumask(inst, &mask) : padata_remove_cpu(inst, usable_cpu(0));
	atomic_store(&change_result, result);
	return NULL;
}

static atomic_int freer;

static void *free_inst(void *unused)
{
	(void)unused;
	atomic_store(&freer, gettid());
	padata_free(inst);
	return NULL;
}

static void change_against(int round, int stop, int frees)
{
	struct workqueue_struct *wq = create_workqueue("changes");
	enum { MAX = 20000 };
	inst = padata_alloc(cpu_active_mask, wq);
	CHECK(inst);
	CHECK_EQ(padata_set_window(inst, MAX + 2), 0);
	padata_start(inst);
	record_clear();
	struct task first, *more = tasks_make(MAX, parallel_finish, serial_note);
	task_init(&first, 0, parallel_leave, serial_note);
	accept_task(inst, &first, usable_cpu((unsigned int)(round % usable_cpus())));
	EVENTUALLY(atomic_load(&first.parallels) == 1);
	pthread_t change = thread(change_inst, round & 2 ? &only : NULL);
	until_busy(more, MAX);
	if (stop)
		padata_stop(inst);
	pthread_t end = {0};
	if (frees) {
		atomic_store(&freer, 0);
		end = thread(free_inst, NULL);
		until_asleep(&freer);
	}
	padata_do_serial(&first.p);
	join(change);
	int result = atomic_load(&change_result);
	CHECK(result == 0);
	if (frees)
		join(end);
	else
		padata_free(inst);
	CHECK_EQ(atomic_load(&first.serials), 1);
	destroy_workqueue(wq);
	free(more);
}

static void change_against_stop(void)
{
	for (int round = 0; round < 12; round++)
		change_against(round, 1, 0);
}

static void change_against_free(void)
{
	for (int round = 0; round < 12; round++)
		change_against(round, round / 4 % 2, 1);
}

/*
 * serial() of an outer instance sleeps in calls of others, of the same workqueue, on a CPU where these have a lane that
 * is not at rest: it was called to help with a batch while serial() held its worker.
 */
static struct padata_instance *outer;
static sem_t begun, hold[2];

static void begin_in_callbacks(void)
{
	rig = rig_make(0);
	inst = padata_alloc(cpu_active_mask, rig.wq);
	outer = padata_alloc(cpu_active_mask, rig.wq);
	CHECK(inst && outer);
	padata_start(inst);
	padata_start(outer);
	sem_init(&begun, 0, 0);
	for (int i = 0; i < 2; i++)
		sem_init(&hold[i], 0, 0);
}

static void end_in_callbacks(void)
{
	padata_free(outer);
	padata_free(inst);
	rig_end(rig);
}

/* A serial() on the nth CPU, which is let go by its semaphore. */
static void hold_in_outer(struct task *t, int n, callback *serial)
{
	task_init(t, n, parallel_finish, serial);
	t->begun = &begun;
	t->hold = &hold[n];
	accept_in_time(outer, t, usable_cpu((unsigned int)n));
	wait_for(&begun);
}

static void run_a_batch(struct padata_instance *pinst)
{
	struct task t[32];
	struct padata_priv *tasks[32];
	for (int i = 0; i < 32; i++) {
		task_init(&t[i], i, parallel_finish, serial_note);
		tasks[i] = &t[i].p;
	}
	CHECK_EQ(padata_do_parallel_batch(pinst, tasks, 32, usable_cpu(0)), 32);
	CHECK_EQ(padata_flush(pinst), 0);
	record_clear();
}

static void serial_changes(struct padata_priv *padata)
{
	serial_hold(padata);
	CHECK_EQ(padata_add_cpu(rig.inst, usable_cpu(0)), 0);
}

static void two_in_callbacks(void)
{
	if (usable_cpus() < 2)
		SKIP("one CPU");
	begin_in_callbacks();
	for (int round = 0; round < 1000; round++) {
		struct task t[2];
		hold_in_outer(&t[1], 1, serial_changes);
		run_a_batch(rig.inst);
		hold_in_outer(&t[0], 0, serial_changes);
		sem_post(&hold[round % 4 == 0]);
		sem_post(&hold[round % 4 != 0]);
		CHECK_EQ(padata_flush(outer), 0);
	}
	end_in_callbacks();
}

static void serial_waits(struct padata_priv *padata)
{
	serial_hold(padata);
	CHECK_EQ(padata_wait_room(rig.inst), 0);
}

static void *change_rig(void *unused)
{
	(void)unused;
	CHECK_EQ(padata_add_cpu(rig.inst, usable_cpu(0)), 0);
	return NULL;
}

static void against_a_callback_that_waits(void)
{
	if (usable_cpus() < 2)
		SKIP("one CPU");
	begin_in_callbacks();
	for (int round = 0; round < 1000; round++) {
		struct task t;
		hold_in_outer(&t, 1, serial_waits);
		run_a_batch(rig.inst);
		pthread_t change = thread(change_rig, NULL);
		for (int i = 0; i < round % 10; i++)
			sched_yield();
		sem_post(&hold[1]);
		join(change);
		CHECK_EQ(padata_flush(outer), 0);
	}
	end_in_callbacks();
}

static void serial_flushes(struct padata_priv *padata)
{
	serial_hold(padata);
	CHECK_EQ(padata_flush(inst), 0);
}

/* Its sleep ends only after the change. */
static void against_a_callback_that_waits_for_another(void)
{
	if (usable_cpus() < 2)
		SKIP("one CPU");
	begin_in_callbacks();
	for (int round = 0; round < 1000; round++) {
		struct task t, deferred;
		task_init(&deferred, 0, parallel_leave, serial_note);
		accept_task(inst, &deferred, usable_cpu(0));
		EVENTUALLY(atomic_load(&deferred.parallels) == 1);
		hold_in_outer(&t, 1, serial_flushes);
		run_a_batch(rig.inst);
		sem_post(&hold[1]);
		CHECK_EQ(padata_add_cpu(rig.inst, usable_cpu(0)), 0);
		padata_do_serial(&deferred.p);
		CHECK_EQ(padata_flush(outer), 0);
	}
	end_in_callbacks();
}

static const struct test_case cases[] = {
	{"M4 two changes at once are done one after the other", two_at_once},
	{"M4 changes, stops and tasks at once lose no task", changes_stops_and_tasks},
	{"M4 a change against padata_stop()", change_against_stop},
	{"M4 a change against padata_free()", change_against_free},
	{"M4 two changes at once in callbacks of another instance", two_in_callbacks},
	{"M4 a change against padata_wait_room() in a callback of another instance", against_a_callback_that_waits},
	{"M4 a change against a callback that sleeps in a call of a third", against_a_callback_that_waits_for_another},
};

TEST_MAIN(cases)

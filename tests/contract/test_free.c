/* SPDX-License-Identifier: MIT */
/* The end of an instance and of a workqueue (L4, L5). */

#include "contract.h"

CHILD_MAY_START_THREADS

static struct padata_instance *victim;
static struct workqueue_struct *victim_wq;
static atomic_int freed;
static atomic_int freer;

static void *free_victim(void *unused)
{
	(void)unused;
	atomic_store(&freer, gettid());
	padata_free(victim);
	atomic_store(&freed, 1);
	return NULL;
}

static void free_waits_for_unfinished_tasks(void)
{
	struct rig rig = rig_make(0);
	victim = rig.inst;
	record_clear();
	enum { N = 700 };
	struct task *t = tasks_make(N, parallel_leave, serial_note);
	for (int i = 0; i < N; i++)
		accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i % usable_cpus())));
	for (int i = 0; i < N; i++)
		EVENTUALLY(atomic_load(&t[i].parallels) == 1);
	atomic_store(&freed, 0);
	atomic_store(&freer, 0);
	pthread_t id = thread(free_victim, NULL);
	until_asleep(&freer);
	for (int i = 1; i < N; i++)
		padata_do_serial(&t[i].p);
	settle(rig.wq, usable_cpu(0));
	CHECK_EQ(atomic_load(&freed), 0);
	CHECK_EQ(recorded(), 0);
	padata_do_serial(&t[0].p);
	join(id);
	CHECK_EQ(recorded(), N);
	destroy_workqueue(rig.wq);
	free(t);
}

static atomic_int left;

static void serial_leaves_last(struct padata_priv *padata)
{
	struct task *t = TASK(padata);
	sem_post(t->begun);
	wait_for(t->hold);
	for (int i = 0; i < 1000; i++)
		sched_yield();
	atomic_store(&left, 1);
}

static void *release(void *sem)
{
	until_asleep(&freer);
	sem_post(sem);
	return NULL;
}

static void free_waits_for_the_return_of_serial(void)
{
	sem_t begun, hold;
	sem_init(&begun, 0, 0);
	sem_init(&hold, 0, 0);
	for (int round = 0; round < 20; round++) {
		struct rig rig = rig_make(1);
		struct task t;
		task_init(&t, 0, parallel_finish, serial_leaves_last);
		t.begun = &begun;
		t.hold = &hold;
		atomic_store(&left, 0);
		atomic_store(&freer, gettid());
		accept_task(rig.inst, &t, usable_cpu((unsigned int)(round % usable_cpus())));
		wait_for(&begun);
		pthread_t id = thread(release, &hold);
		padata_free(rig.inst);
		CHECK_EQ(atomic_load(&left), 1);
		join(id);
		destroy_workqueue(rig.wq);
	}
}

static void free_of_a_stopped_instance_waits_too(void)
{
	struct rig rig = rig_make(0);
	struct task *t = tasks_make(100, parallel_finish, serial_note);
	record_clear();
	for (int i = 0; i < 100; i++)
		accept_task(rig.inst, &t[i], usable_cpu(0));
	padata_stop(rig.inst);
	padata_free(rig.inst);
	CHECK_EQ(recorded(), 100);
	destroy_workqueue(rig.wq);
	free(t);
}

static void free_leaves_the_workqueue(void)
{
	enum { INSTANCES = 7 };
	struct workqueue_struct *wq = create_workqueue("shared");
	struct padata_instance *inst[INSTANCES];
	struct task t[INSTANCES];
	for (int i = 0; i < INSTANCES; i++) {
		inst[i] = padata_alloc(cpu_active_mask, wq);
		CHECK(inst[i]);
		padata_start(inst[i]);
		task_init(&t[i], i, parallel_finish, serial_note);
	}
	/* Odd ones go first, so that each free is seen to leave its neighbours. */
	for (int gone = 0; gone < INSTANCES; gone++) {
		int which = gone < INSTANCES / 2 ? 2 * gone + 1 : 2 * (gone - INSTANCES / 2);
		for (int i = 0; i < INSTANCES; i++)
			if (inst[i]) {
				int before = atomic_load(&t[i].serials);
				accept_task(inst[i], &t[i], usable_cpu(0));
				CHECK_EQ(padata_flush(inst[i]), 0);
				CHECK_EQ(atomic_load(&t[i].serials), before + 1);
			}
		padata_free(inst[which]);
		inst[which] = NULL;
		settle(wq, usable_cpu(0));
	}
	destroy_workqueue(wq);
}

static void null_is_a_no_op(void)
{
	padata_free(NULL);
	destroy_workqueue(NULL);
}

static void frees(struct padata_priv *padata)
{
	padata_free(victim);
	padata_do_serial(padata);
}

static void free_in(callback *parallel, callback *serial)
{
	struct rig rig = rig_make(0);
	victim = rig.inst;
	struct task t;
	task_init(&t, 0, parallel, serial);
	accept_task(rig.inst, &t, usable_cpu(0));
	for (;;)
		pause();
}

static void free_in_parallel(void)
{
	free_in(frees, serial_note);
}

static void free_in_serial(void)
{
	free_in(parallel_finish, frees);
}

static void free_in_parallel_aborts(void)
{
	must_abort(free_in_parallel, "padata_free");
}

static void free_in_serial_aborts(void)
{
	must_abort(free_in_serial, "padata_free");
}

static void *free_other(void *unused)
{
	(void)unused;
	padata_free(victim);
	return NULL;
}

static void serial_frees_other(struct padata_priv *padata)
{
	free_other(NULL);
	note_serial(TASK(padata));
}

/*
 * The workers of both instances are the same threads: only the instance counts. The victim's tasks are over, but its
 * worker may still be looking for more when the other instance's task comes, and is then at the mercy of its callback.
 */
static void callback_of_another_instance_frees(void)
{
	struct rig rig = rig_make(0);
	struct cpumask mask;
	cpumask_copy(&mask, cpu_active_mask);
	for (int i = 0; i < 1000; i++) {
		int cpu = usable_cpu((unsigned int)(i % usable_cpus()));
		victim = padata_alloc(&mask, rig.wq);
		CHECK(victim);
		padata_start(victim);
		struct task inner, outer;
		record_clear();
		task_init(&inner, 0, parallel_finish, serial_note);
		accept_task(victim, &inner, cpu);
		CHECK_EQ(padata_flush(victim), 0);
		task_init(&outer, 1, parallel_finish, serial_frees_other);
		accept_task(rig.inst, &outer, cpu);
		CHECK_EQ(padata_flush(rig.inst), 0);
		CHECK_EQ(atomic_load(&outer.serials), 1);
	}
	rig_end(rig);
}

/* The 10,000 rounds: three threads that are each still returning when the last serial() has begun. */
static struct padata_instance *round_inst;
static struct task round_task;
static sem_t round_produce, round_complete, round_over;
static atomic_int round_seen;

static void parallel_hands_over(struct padata_priv *padata)
{
	(void)padata;
	sem_post(&round_complete);
}

static void serial_ends_round(struct padata_priv *padata)
{
	(void)padata;
	if (round_task.id & 1)
		atomic_store(&round_seen, 1);
	else
		sem_post(&round_over);
}

enum { ROUNDS = 10000 };

static void *produce_rounds(void *unused)
{
	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		wait_for(&round_produce);
		CHECK_EQ(padata_do_parallel(round_inst, &round_task.p, round_task.cb_cpu), -EINPROGRESS);
	}
	return NULL;
}

static void *complete_rounds(void *unused)
{
	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		wait_for(&round_complete);
		padata_do_serial(&round_task.p);
	}
	return NULL;
}

static void free_right_after_the_last_serial(void)
{
	struct workqueue_struct *wq = create_workqueue("rounds");
	sem_init(&round_produce, 0, 0);
	sem_init(&round_complete, 0, 0);
	sem_init(&round_over, 0, 0);
	int cpus[2] = {usable_cpu(0), usable_cpus() > 1 ? usable_cpu(1) : usable_cpu(0)};
	pthread_t producer = thread(produce_rounds, NULL), completer = thread(complete_rounds, NULL);
	struct cpumask mask;
	cpumask_copy(&mask, cpu_active_mask);
	for (int i = 0; i < ROUNDS; i++) {
		round_inst = padata_alloc(&mask, wq);
		CHECK(round_inst);
		padata_start(round_inst);
		task_init(&round_task, i, parallel_hands_over, serial_ends_round);
		round_task.cb_cpu = cpus[i / 2 % 2];
		atomic_store(&round_seen, 0);
		sem_post(&round_produce);
		if (i & 1)
			while (!atomic_load(&round_seen))
				sched_yield();
		else
			wait_for(&round_over);
		padata_free(round_inst);
	}
	join(producer);
	join(completer);
	destroy_workqueue(wq);
}

static atomic_int works_run;

static void count_work(struct work_struct *work)
{
	(void)work;
	atomic_fetch_add(&works_run, 1);
}

static void destroy_finishes_and_joins(void)
{
	int before = thread_count();
	enum { N = 1000 };
	static struct work_struct works[N];
	for (int round = 0; round < 20; round++) {
		struct workqueue_struct *wq = create_workqueue("destroyed");
		CHECK(wq);
		atomic_store(&works_run, 0);
		for (int i = 0; i < N; i++) {
			INIT_WORK(&works[i], count_work);
			CHECK(queue_work_on(usable_cpu((unsigned int)(i % usable_cpus())), wq, &works[i]));
		}
		CHECK(thread_count() > before);
		destroy_workqueue(wq);
		CHECK_EQ(atomic_load(&works_run), N);
		EVENTUALLY(thread_count() == before);
	}
}

static void destroys(struct work_struct *work)
{
	(void)work;
	destroy_workqueue(victim_wq);
}

static void flushes(struct work_struct *work)
{
	(void)work;
	flush_workqueue(victim_wq);
}

static void run_in_worker(work_func_t body)
{
	static struct work_struct work;
	victim_wq = create_workqueue("victim");
	INIT_WORK(&work, body);
	queue_work_on(usable_cpu(0), victim_wq, &work);
	for (;;)
		pause();
}

static void destroy_in_worker(void)
{
	run_in_worker(destroys);
}

static void flush_in_worker(void)
{
	run_in_worker(flushes);
}

static void destroy_in_worker_aborts(void)
{
	must_abort(destroy_in_worker, "destroy_workqueue");
}

static void flush_in_worker_aborts(void)
{
	must_abort(flush_in_worker, "flush_workqueue");
}

static const struct test_case cases[] = {
	{"L4 padata_free in parallel() aborts, and says so", free_in_parallel_aborts},
	{"L4 padata_free in serial() aborts, and says so", free_in_serial_aborts},
	{"L5 destroy_workqueue in a worker aborts, and says so", destroy_in_worker_aborts},
	{"L5 flush_workqueue in a worker aborts, and says so", flush_in_worker_aborts},
	{"L4 padata_free waits for tasks that parallel() left unfinished", free_waits_for_unfinished_tasks},
	{"L4 padata_free waits for the return of the last serial()", free_waits_for_the_return_of_serial},
	{"L4 padata_free of a stopped instance waits too", free_of_a_stopped_instance_waits_too},
	{"L4 padata_free leaves the workqueue and its other instances alone", free_leaves_the_workqueue},
	{"L4 NULL is a no-op", null_is_a_no_op},
	{"L4 a callback of another instance may free", callback_of_another_instance_frees},
	{"L4 padata_free right after the last serial(), 10,000 times", free_right_after_the_last_serial},
	{"L5 destroy_workqueue finishes what is queued and joins the workers", destroy_finishes_and_joins},
};

TEST_MAIN(cases)

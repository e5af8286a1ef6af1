/* SPDX-License-Identifier: MIT */

/*
 * The crew's rule: while there is a task that nobody has begun, somebody searches, or nobody rests. Who sleeps in a
 * callback searches for nothing, and a task that it waits for is run by another CPU.
 */

#include "world.h"

#include "instance.h"

static struct world w, other;
static struct job jobs[MAX_JOBS], held[2];
static struct pd_parker parker;
static atomic_bool begun;

static void begin(int n, unsigned int window)
{
	world_begin(&w, 3, window);
	for (int i = 0; i < n; i++)
		job_init(&jobs[i], &w, i, 0);
}

static void run_on(unsigned int cpu)
{
	cpu_set_t only;

	CPU_ZERO(&only);
	CPU_SET(cpu, &only);
	SCHED_CHECK(sched_setaffinity(0, sizeof(only), &only) == 0);
}

static void park(struct padata_priv *padata)
{
	atomic_store_explicit(&begun, true, memory_order_relaxed);
	pd_park(&parker);
	job_parallel(padata);
}

static void unpark(struct padata_priv *padata)
{
	pd_unpark(&parker);
	job_parallel(padata);
}

/* serial() waits for a task that is submitted after it. */
static void park_first(struct job *job)
{
	if (job == &jobs[0])
		pd_park(&parker);
}

static void serial_waits_for_a_task(void)
{
	struct job *first;

	begin(2, 2);
	w.on_serial = park_first;
	jobs[0].deferred = true;
	jobs[1].padata.parallel = unpark;
	submit_all(jobs, 1);
	while (!(first = atomic_load_explicit(&w.deferred[0], memory_order_acquire)))
		sched_yield();
	job_finish(first);
	submit_all(&jobs[1], 1);
	world_end(&w);
	check_all(&w, jobs, 2, 1);
}

/* ... and that it submits itself, while the other CPU comes to rest: it is not to count on its own. */
static void submit_and_park(struct job *job)
{
	if (job != &jobs[0])
		return;
	submit_all(&jobs[1], 1);
	pd_park(&parker);
}

static void serial_waits_for_its_own_task(void)
{
	begin(2, 2);
	w.on_serial = submit_and_park;
	jobs[1].padata.parallel = unpark;
	submit_all(jobs, 1);
	/* The end would refuse it. */
	if (!sched_is_search())
		SCHED_CHECK(padata_flush(w.pinst) == 0);
	world_end(&w);
	check_all(&w, jobs, 2, 1);
}

/* On CPU 0, in a callback of another instance: until a task of the first unparks it. */
static void hold_cpu_0(void)
{
	sched_explore(false);
	other = (struct world){.wq = w.wq, .pinst = instance_on(w.wq, 1, 2), .mask = 1};
	padata_start(other.pinst);
	job_init(held, &other, 0, 0);
	held[0].padata.parallel = park;
	sched_explore(true);
}

static void end_both(int n, int others)
{
	SCHED_CHECK(padata_flush(other.pinst) == 0);
	sched_explore(false);
	padata_free(other.pinst);
	sched_explore(true);
	world_end(&w);
	check_all(&w, jobs, n, 1);
	check_all(&other, held, others, 1);
}

/* A lane that searches makes place for it, and no longer counts. */
static void callback_waits_for_another_instance(void)
{
	begin(2, 2);
	hold_cpu_0();
	run_on(1);
	jobs[1].cb_cpu = 1;
	jobs[1].padata.parallel = unpark;
	submit_all(jobs, 1);
	submit_all(held, 1);
	submit_all(&jobs[1], 1);
	end_both(2, 1);
}

/* A lane that has found work calls the next one, which is held; it does not count as a searcher when all is done. */
static void callback_waits_for_a_later_task(void)
{
	struct padata_priv *tasks[] = {&jobs[0].padata, &jobs[1].padata};

	begin(3, 3);
	hold_cpu_0();
	for (int i = 0; i < 3; i++)
		jobs[i].cb_cpu = 1;
	jobs[2].padata.parallel = unpark;
	submit_all(held, 1);
	while (!atomic_load_explicit(&begun, memory_order_relaxed))
		sched_yield();
	run_on(0);
	SCHED_CHECK(padata_do_parallel_batch(w.pinst, tasks, 2, 1) == 2);
	atomic_fetch_add_explicit(&w.accepted, 2, memory_order_relaxed);
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	run_on(1);
	submit_all(&jobs[2], 1);
	end_both(3, 1);
}

/* Two tasks of one run wait for each other: the second is robbed. */
static void run_waits_for_itself(void)
{
	struct padata_priv *tasks[] = {&jobs[0].padata, &jobs[1].padata, &jobs[2].padata};

	begin(3, 4);
	w.pinst->lane_list[0]->task_ns = w.pinst->lane_list[1]->task_ns = 1000;
	jobs[0].padata.parallel = park;
	jobs[1].padata.parallel = unpark;
	SCHED_CHECK(padata_do_parallel_batch(w.pinst, tasks, 3, 0) == 3);
	atomic_fetch_add_explicit(&w.accepted, 3, memory_order_relaxed);
	world_end(&w);
	check_all(&w, jobs, 3, 1);
}

static void run_waits_for_itself_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	run_waits_for_itself();
}

/*
 * Runs alone: two threads stand for the lanes, which are at rest, one of them robs what the other has claimed. The
 * second lap of the window, where each place had another task before. Somebody searches, as far as the crew knows.
 */
static void begin_second_lap(int n)
{
	begin(n, 4);
	sched_explore(false);
	submit_all(jobs, 4);
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	flush_workqueue(w.wq);
	w.mask = 0;
	pd_crew_search(&w.pinst->crew);
}

static void run_what_is_found(struct pd_lane *lane)
{
	for (int tries = 0; tries < 4; tries++) {
		uint64_t first;
		unsigned int n = pd_run_find(lane, true, &first);

		if (n)
			pd_run_parallel(lane, first, n);
	}
}

static void *run_on_the_other(void *unused)
{
	run_what_is_found(w.pinst->lane_list[1]);
	return unused;
}

static void run_is_robbed(void)
{
	pthread_t thief;

	begin_second_lap(7);
	for (unsigned int i = 0; i < CPUS; i++)
		w.pinst->lane_list[i]->task_ns = 1;
	sched_explore(true);
	pthread_create(&thief, NULL, run_on_the_other, NULL);
	for (int i = 4; i < 7; i++) {
		jobs[i].deferred = true;
		submit_all(&jobs[i], 1);
	}
	run_what_is_found(w.pinst->lane_list[0]);
	pthread_join(thief, NULL);
	pd_crew_work(&w.pinst->crew);
	for (int i = 0; i < 7; i++)
		SCHED_CHECK(jobs[i].parallel_calls == 1);
	for (int i = 4; i < 7; i++)
		job_finish(&jobs[i]);
	world_end(&w);
	check_all(&w, jobs, 7, 1);
}

/*
 * ... where it has to be: the first task of the run waits for the second. Both numbers count as claimed
 * before, so that the thief learns of the second lap from the run alone; and it is not run by its producer,
 * who has passed a fence.
 */
static void *rob_until_found(void *unused)
{
	struct pd_lane *lane = w.pinst->lane_list[1];
	unsigned int n;
	uint64_t first;

	while (!(n = pd_run_find(lane, true, &first)))
		sched_yield();
	pd_run_parallel(lane, first, n);
	return unused;
}

static void *submit_a_run(void *unused)
{
	struct padata_priv *tasks[] = {&jobs[4].padata, &jobs[5].padata};

	SCHED_CHECK(padata_do_parallel_batch(w.pinst, tasks, 2, 0) == 2);
	return unused;
}

static void run_is_robbed_in_its_lap(void)
{
	pthread_t producer, thief;

	begin_second_lap(6);
	atomic_store_explicit(&w.pinst->window.claimed, 6, memory_order_relaxed);
	jobs[4].padata.parallel = park;
	jobs[5].padata.parallel = unpark;
	jobs[4].deferred = jobs[5].deferred = true;
	sched_explore(true);
	pthread_create(&thief, NULL, rob_until_found, NULL);
	pthread_create(&producer, NULL, submit_a_run, NULL);
	pthread_join(producer, NULL);
	pd_run_parallel(w.pinst->lane_list[0], 4, 2);
	pthread_join(thief, NULL);
	pd_crew_work(&w.pinst->crew);
	for (int i = 4; i < 6; i++)
		job_finish(&jobs[i]);
	atomic_fetch_add_explicit(&w.accepted, 2, memory_order_relaxed);
	world_end(&w);
	check_all(&w, jobs, 6, 1);
}

/*
 * The first task of a run is finished without a look for the token, and its second waits for the serial() of the first,
 * which is the other lane's to run: that one comes out of a callback, finds nothing to do, and rests, or leaves, since
 * its CPU was lost.
 */
static struct pd_parker gates[CPUS];
static atomic_uint at_gates;

static void stop_at_gate(void)
{
	atomic_fetch_add_explicit(&at_gates, 1, memory_order_relaxed);
	pd_park(&gates[sched_getcpu()]);
}

static void finish_and_stay(struct padata_priv *padata)
{
	job_parallel(padata);
	stop_at_gate();
}

static void finish_late(struct padata_priv *padata)
{
	stop_at_gate();
	job_parallel(padata);
}

/* parallel() on this CPU waits for the serial() of that job. */
static int waiting_cpu;
static const struct job *awaited;

static void wait_for_serial(struct padata_priv *padata)
{
	if (sched_getcpu() == waiting_cpu)
		pd_park(&parker);
	job_parallel(padata);
}

static void unpark_from_serial(struct job *job)
{
	if (job == awaited)
		pd_unpark(&parker);
}

static void let_wait(struct job *job, int cpu, const struct job *job_before)
{
	job->padata.parallel = wait_for_serial;
	waiting_cpu = cpu;
	awaited = job_before;
	w.on_serial = unpark_from_serial;
}

static void wait_for_gates(unsigned int n)
{
	while (atomic_load_explicit(&at_gates, memory_order_relaxed) < n)
		sched_yield();
}

static void finished_quietly(bool cpu_is_lost, bool token_is_held)
{
	struct padata_priv *tasks[] = {&jobs[1].padata, &jobs[2].padata, &jobs[3].padata};
	int n = token_is_held ? 2 : 3;

	begin(5, 5);
	sched_explore(false);
	for (int i = 0; i < 4; i++)
		jobs[i].cb_cpu = i > 0;
	jobs[4].producer = 1;
	jobs[4].deferred = true;
	for (unsigned int i = 0; i < CPUS; i++)
		w.pinst->lane_list[i]->task_ns = 1000;
	jobs[0].padata.parallel = finish_and_stay;
	jobs[1].padata.parallel = finish_late;
	let_wait(&jobs[2], 0, &jobs[1]);
	run_on(0);
	if (token_is_held) {
		submit_all(&jobs[4], 1);
		while (!atomic_load_explicit(&w.deferred[4], memory_order_acquire))
			sched_yield();
		flush_workqueue(w.wq);
	}
	submit_all(jobs, 1);
	wait_for_gates(1);
	SCHED_CHECK(padata_do_parallel_batch(w.pinst, tasks, (unsigned int)n, 1) == n);
	atomic_fetch_add_explicit(&w.accepted, (unsigned int)n, memory_order_relaxed);
	wait_for_gates(2);
	if (cpu_is_lost) {
		/* As pd_mask_look() does; but the worker is not moved, so that serial() can be checked as ever. */
		atomic_fetch_and_explicit(&w.pinst->usable[0], ~2UL, memory_order_relaxed);
		atomic_store_explicit(&w.pinst->lane_list[1]->usable, false, memory_order_relaxed);
		atomic_fetch_sub_explicit(&w.pinst->usable_count, 1, memory_order_relaxed);
	}
	sched_explore(true);
	pd_unpark(&gates[1]);
	pd_unpark(&gates[0]);
	if (token_is_held)
		job_finish(&jobs[4]);
	world_end(&w);
	for (int i = 0; i < 5; i++)
		SCHED_CHECK(jobs[i].serial_calls == (i != (token_is_held ? 3 : 4)));
}

static void quiet_as_a_lane_rests(void)
{
	finished_quietly(false, false);
}

static void quiet_as_a_lane_leaves(void)
{
	finished_quietly(true, false);
}

/* ... by a thread that is no worker, and gives it up at that first task. */
static void quiet_as_the_token_is_given_up(void)
{
	finished_quietly(false, true);
}

/* ... as the lane leaves. */
static void quiet_as_both_go(void)
{
	finished_quietly(true, true);
}

/* The last task of a run waits for its own serial(): behind it nobody would look. */
static void finish_and_wait(struct padata_priv *padata)
{
	stop_at_gate();
	job_parallel(padata);
	pd_park(&parker);
}

static void last_of_a_run_is_not_quiet(void)
{
	begin(2, 2);
	sched_explore(false);
	for (unsigned int i = 0; i < CPUS; i++)
		w.pinst->lane_list[i]->task_ns = 1000;
	jobs[0].padata.parallel = finish_and_stay;
	jobs[1].padata.parallel = finish_and_wait;
	jobs[1].cb_cpu = 1;
	awaited = &jobs[1];
	w.on_serial = unpark_from_serial;
	run_on(0);
	for (unsigned int i = 0; i < 2; i++) {
		submit_all(&jobs[i], 1);
		wait_for_gates(i + 1);
	}
	sched_explore(true);
	pd_unpark(&gates[1]);
	pd_unpark(&gates[0]);
	world_end(&w);
	check_all(&w, jobs, 2, 1);
}

/* The lane that is to run serial() is summoned behind a callback of another instance, which ends. */
static void quiet_for_a_summoned_lane(void)
{
	struct padata_priv *tasks[] = {&jobs[0].padata, &jobs[1].padata};

	begin(2, 4);
	hold_cpu_0();
	held[0].padata.parallel = finish_late;
	sched_explore(false);
	w.pinst->lane_list[0]->task_ns = w.pinst->lane_list[1]->task_ns = 1000;
	let_wait(&jobs[1], 1, &jobs[0]);
	submit_all(held, 1);
	wait_for_gates(1);
	sched_explore(true);
	SCHED_CHECK(padata_do_parallel_batch(w.pinst, tasks, 2, 0) == 2);
	atomic_fetch_add_explicit(&w.accepted, 2, memory_order_relaxed);
	pd_unpark(&gates[0]);
	end_both(2, 1);
}

/* A task is finished in a run of another instance, which goes on: that looks for no token of this one. */
static void finish_anothers(struct padata_priv *padata)
{
	job_finish(&jobs[0]);
	job_parallel(padata);
}

static void finished_in_anothers_run(void)
{
	struct padata_priv *tasks[] = {&held[0].padata, &held[1].padata};

	begin(1, 2);
	hold_cpu_0();
	sched_explore(false);
	jobs[0].deferred = true;
	submit_all(jobs, 1);
	while (!atomic_load_explicit(&w.deferred[0], memory_order_acquire))
		sched_yield();
	flush_workqueue(w.wq);
	held[0].padata.parallel = finish_anothers;
	job_init(&held[1], &other, 1, 0);
	other.pinst->lane_list[0]->task_ns = 1000;
	sched_explore(true);
	SCHED_CHECK(padata_do_parallel_batch(other.pinst, tasks, 2, 0) == 2);
	end_both(1, 2);
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
		{"serial_waits_for_a_task", serial_waits_for_a_task, 2, 0, false},
		{"serial_waits_for_its_own_task", serial_waits_for_its_own_task, 2, 0, false},
		{"callback_waits_for_another_instance", callback_waits_for_another_instance, 2, 0, false},
		{"callback_waits_for_a_later_task", callback_waits_for_a_later_task, 2, 0, false},
		{"run_waits_for_itself", run_waits_for_itself, 2, 0, false},
		{"run_waits_for_itself_by_fences", run_waits_for_itself_by_fences, 0, 0, false},
		{"run_is_robbed", run_is_robbed, 2, 0, false},
		{"run_is_robbed_in_its_lap", run_is_robbed_in_its_lap, 2, 0, false},
		{"quiet_as_a_lane_rests", quiet_as_a_lane_rests, 2, 0, false},
		{"quiet_as_a_lane_leaves", quiet_as_a_lane_leaves, 2, 0, false},
		{"quiet_for_a_summoned_lane", quiet_for_a_summoned_lane, 1, 1, false},
		{"quiet_as_both_go", quiet_as_both_go, 1, 0, false},
		{"quiet_as_the_token_is_given_up", quiet_as_the_token_is_given_up, 2, 0, false},
		{"finished_in_anothers_run", finished_in_anothers_run, 2, 0, false},
		{"last_of_a_run_is_not_quiet", last_of_a_run_is_not_quiet, 1, 1, false},
	};

	return sched_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}

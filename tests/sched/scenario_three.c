/* SPDX-License-Identifier: MIT */

/* What takes three lanes, or two and a thread that stands beside them. */

#define WORLD_CPUS 3
#include "world.h"

#include "instance.h"

static struct world w;
static struct job jobs[MAX_JOBS];
static struct pd_parker parker, gates[CPUS];
static atomic_uint at_gates;
static int gate_of[MAX_JOBS];

static void stop_at_gate(struct padata_priv *padata)
{
	gate_of[container_of(padata, struct job, padata)->number] = sched_getcpu();
	atomic_fetch_add_explicit(&at_gates, 1, memory_order_release);
	pd_park(&gates[sched_getcpu()]);
}

static void finish_and_stay(struct padata_priv *padata)
{
	job_parallel(padata);
	stop_at_gate(padata);
}

static void finish_late(struct padata_priv *padata)
{
	stop_at_gate(padata);
	job_parallel(padata);
}

static void wait_for_serial(struct padata_priv *padata)
{
	if (sched_getcpu() != jobs[2].cb_cpu)
		pd_park(&parker);
	job_parallel(padata);
}

static void unpark_from_serial(struct job *job)
{
	if (job == &jobs[2])
		pd_unpark(&parker);
}

static void wait_for_gates(unsigned int n)
{
	while (atomic_load_explicit(&at_gates, memory_order_acquire) < n)
		sched_yield();
}

/*
 * One finishes a task in the middle of a run without a look for the token, and its next waits for the serial() of that,
 * which is the second one's to run; the third robs what is left of the run, and rests. held: the token is, by a thread
 * that is no worker, and gives it up at that task.
 */
static void three(bool held, bool order, bool fences)
{
	struct padata_priv *tasks[] = {&jobs[2].padata, &jobs[3].padata, &jobs[4].padata, &jobs[5].padata};
	const int n = 4;

	pd_barrier_is_asymmetric = !fences;
	sched_allow_cpus(7);
	world_begin(&w, 7, 8);
	sched_explore(false);
	for (int i = 0; i < MAX_JOBS; i++)
		job_init(&jobs[i], &w, i, 0);
	jobs[7].producer = 1;
	jobs[7].deferred = true;
	for (unsigned int i = 0; i < CPUS; i++)
		w.pinst->lane_list[i]->task_ns = 1000;
	jobs[0].padata.parallel = finish_and_stay;
	jobs[1].padata.parallel = finish_and_stay;
	jobs[2].padata.parallel = finish_late;
	jobs[3].padata.parallel = wait_for_serial;
	w.on_serial = unpark_from_serial;
	if (held) {
		submit_all(&jobs[7], 1);
		while (!atomic_load_explicit(&w.deferred[7], memory_order_acquire))
			sched_yield();
		flush_workqueue(w.wq);
	}
	for (unsigned int i = 0; i < 2; i++) {
		submit_all(&jobs[i], 1);
		wait_for_gates(i + 1);
	}
	for (int i = 2; i < 2 + n; i++)
		jobs[i].cb_cpu = gate_of[0];
	SCHED_CHECK(padata_do_parallel_batch(w.pinst, tasks, (unsigned int)n, gate_of[0]) == n);
	atomic_fetch_add_explicit(&w.accepted, (unsigned int)n, memory_order_relaxed);
	wait_for_gates(3);
	SCHED_CHECK(gate_of[0] != gate_of[1] && gate_of[1] != gate_of[2] && gate_of[0] != gate_of[2]);
	SCHED_CHECK(pd_span_left(&w.pinst->lane_list[gate_of[2]]->run) == 1);
	sched_explore(true);
	pd_unpark(&gates[gate_of[order ? 0 : 2]]);
	pd_unpark(&gates[gate_of[1]]);
	pd_unpark(&gates[gate_of[order ? 2 : 0]]);
	if (held)
		job_finish(&jobs[7]);
	world_end(&w);
	for (int i = 0; i < 2 + n; i++)
		SCHED_CHECK(jobs[i].serial_calls == 1);
	SCHED_CHECK(jobs[7].serial_calls == held);
}

static void three_lanes(void)
{
	three(sched_choose(2), sched_choose(2), false);
}

static void three_lanes_by_fences(void)
{
	three(sched_choose(2), sched_choose(2), true);
}

/*
 * Two lanes: a task is finished so and its run ends, as the token is given up at that task, and somebody looks whether
 * there is anything to do. Threads stand for the lanes, which run serial() alone.
 */
static bool pending;

static void *finish_in_a_run(void *unused)
{
	struct pd_lane *lane = w.pinst->lane_list[0];
	uint64_t last;

	pd_lane_self = lane;
	job_finish(&jobs[1]);
	SCHED_CHECK(pd_span_next(&lane->run, &last) && last == 2);
	pd_lane_self = NULL;
	return unused;
}

static void *finish_first(void *unused)
{
	job_finish(&jobs[0]);
	return unused;
}

static void *look_for_more(void *unused)
{
	atomic_thread_fence(memory_order_seq_cst);
	pending = pd_run_pending(w.pinst);
	return unused;
}

static void quiet_as_somebody_looks(void)
{
	void *(*const threads[])(void *) = {finish_in_a_run, finish_first, look_for_more};
	pthread_t thread[3];

	world_begin(&w, 3, 4);
	sched_explore(false);
	for (int i = 0; i < 3; i++) {
		job_init(&jobs[i], &w, i, 0);
		jobs[i].deferred = true;
	}
	submit_all(jobs, 3);
	for (int i = 0; i < 3; i++)
		while (!atomic_load_explicit(&w.deferred[i], memory_order_acquire))
			sched_yield();
	flush_workqueue(w.wq);
	/* All work, for all that the others know. */
	pd_crew_clear(&w.pinst->crew);
	w.pinst->lane_list[0]->task_ns = 1000;
	pd_span_put(&w.pinst->lane_list[0]->run, 2, 1);
	sched_explore(true);
	for (int i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, threads[i], NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	sched_explore(false);
	SCHED_CHECK(pending || atomic_load_explicit(&w.pinst->window.taken, memory_order_relaxed) == 2);
	pd_lane_deliver(w.pinst);
	job_finish(&jobs[2]);
	flush_workqueue(w.wq);
	for (unsigned int i = 0; i < 2; i++)
		pd_crew_add(&w.pinst->crew, i);
	sched_explore(true);
	world_end(&w);
	check_all(&w, jobs, 3, 1);
}

/* A lane that would rest looks at all the others, whichever comes first: one of them has a task that nobody has begun. */
static void all_are_looked_at_before_a_rest(void)
{
	struct pd_lane *thief, *owner;
	unsigned int number;
	uint64_t first;

	sched_allow_cpus(7);
	world_begin(&w, 7, 4);
	number = sched_choose(CPUS);
	thief = w.pinst->lane_list[number];
	owner = w.pinst->lane_list[(number + 1 + sched_choose(CPUS - 1)) % CPUS];
	thief->victim = sched_choose(CPUS);
	pd_span_put(&owner->run, 5, 1);
	SCHED_CHECK(pd_run_find(thief, true, &first) == 1 && first == 5);
	world_end(&w);
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
	    {"three_lanes", three_lanes, 0, 0, false},
	    {"three_lanes_by_fences", three_lanes_by_fences, 0, 0, false},
	    {"all_are_looked_at_before_a_rest", all_are_looked_at_before_a_rest, 2, 0, false},
	    {"quiet_as_somebody_looks", quiet_as_somebody_looks, 1, 1, false},
	};

	return sched_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}

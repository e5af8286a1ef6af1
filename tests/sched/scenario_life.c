/* SPDX-License-Identifier: MIT */

/* The life of an instance and its masks, against what goes on at the same time. */

#include "jobs.h"

#include "futex.h"
#include "instance.h"

#include <unistd.h>

static atomic_int accepted;

/* Submit jobs[first] to the end, each until it is accepted, or refused for good. */
static void *submit_some(void *range)
{
	int first = (int)(uintptr_t)range & 15, last = (int)(uintptr_t)range >> 4;

	for (int i = first; i < last; i++) {
		int result;

		while ((result = job_submit(&jobs[i])) == -EBUSY)
			sched_yield();
		if (result == -EINPROGRESS)
			atomic_fetch_add_explicit(&accepted, 1, memory_order_relaxed);
		else
			jobs[i].number = -1;
	}
	return NULL;
}

static void *range(int first, int last)
{
	return (void *)(uintptr_t)(first | last << 4);
}

static void check_accepted(int n)
{
	int completed = 0;

	for (int i = 0; i < n; i++) {
		SCHED_CHECK(jobs[i].serial_calls == (jobs[i].number >= 0));
		completed += jobs[i].serial_calls;
	}
	SCHED_CHECK(completed == atomic_load_explicit(&accepted, memory_order_relaxed));
}

/* M2, M3: what was accepted before a change runs under the old mask, and none on a CPU that was taken out. */
static void *take_cpu_1_out(void *unused)
{
	(void)unused;
	SCHED_CHECK(padata_remove_cpu(w.pinst, 1) == 0);
	return NULL;
}

static void mask_change_against_submit(void)
{
	pthread_t changer;

	begin(2, 3, 2);
	jobs[0].cb_cpu = jobs[1].cb_cpu = 0;
	pthread_create(&changer, NULL, take_cpu_1_out, NULL);
	submit_some(range(0, (int)search_or(1, 2)));
	pthread_join(changer, NULL);
	padata_free(w.pinst);
	check_accepted((int)search_or(1, 2));
	sched_explore(false);
	destroy_workqueue(w.wq);
}

/* A submission that was prepared before the CPU left is not accepted after. */
static atomic_bool has_left;

static void *take_cpu_1_out_and_say_so(void *unused)
{
	take_cpu_1_out(unused);
	atomic_store_explicit(&has_left, true, memory_order_relaxed);
	return NULL;
}

static void check_has_not_left(struct job *job)
{
	SCHED_CHECK(job->cb_cpu == 0 || !atomic_load_explicit(&has_left, memory_order_relaxed));
}

static void submit_to_a_leaving_cpu(void)
{
	pthread_t changer;

	begin(1, 3, 2);
	w.on_serial = check_has_not_left;
	jobs[0].cb_cpu = 1;
	pthread_create(&changer, NULL, take_cpu_1_out_and_say_so, NULL);
	submit_some(range(0, 1));
	pthread_join(changer, NULL);
	world_end(&w);
	check_accepted(1);
}

/* After the change, with tasks of both sides of it. */
static void submission_after_change(void)
{
	begin(2, 3, 2);
	submit_some(range(0, 1));
	SCHED_CHECK(padata_remove_cpu(w.pinst, 1) == 0);
	/* Its callbacks are over, and what they wrote is seen. */
	SCHED_CHECK(jobs[0].serial_calls == 1);
	w.mask = 1;
	jobs[1].cb_cpu = 1;
	SCHED_CHECK(job_submit(&jobs[1]) == -EINVAL);
	jobs[1].cb_cpu = 0;
	submit_some(range(1, 2));
	world_end(&w);
	check_accepted(2);
}

static void *finish_first(void *unused)
{
	struct job *job;

	(void)unused;
	while (!(job = atomic_load_explicit(&w.deferred[0], memory_order_acquire)))
		sched_yield();
	job_finish(job);
	return NULL;
}

static void mask_change_against_completion(void)
{
	pthread_t foreign;

	begin(2, 3, 2);
	jobs[0].deferred = true;
	pthread_create(&foreign, NULL, finish_first, NULL);
	submit_some(range(0, 1));
	SCHED_CHECK(padata_remove_cpu(w.pinst, 1) == 0);
	SCHED_CHECK(jobs[0].serial_calls == 1);
	pthread_join(foreign, NULL);
	world_end(&w);
	check_accepted(1);
}

static void mask_change_against_change(void)
{
	pthread_t changer;

	begin(1, 3, 2);
	pthread_create(&changer, NULL, take_cpu_1_out, NULL);
	jobs[0].cb_cpu = 0;
	SCHED_CHECK(padata_add_cpu(w.pinst, 1) == 0);
	submit_some(range(0, (int)search_or(0, 1)));
	pthread_join(changer, NULL);
	world_end(&w);
	check_accepted((int)search_or(0, 1));
}

/* The worker of the new CPU, and its lane, are made while tasks flow. */
static void *put_cpu_1_in(void *unused)
{
	(void)unused;
	SCHED_CHECK(padata_add_cpu(w.pinst, 1) == 0);
	return NULL;
}

static void cpu_added_against_submit(void)
{
	pthread_t changer;

	begin(2, 1, 2);
	w.mask = 3;
	pthread_create(&changer, NULL, put_cpu_1_in, NULL);
	submit_some(range(0, (int)search_or(1, 2)));
	pthread_join(changer, NULL);
	world_end(&w);
	check_accepted((int)search_or(1, 2));
}

/* M5: the process loses a CPU under load, and gets it back. */
static void cpu_lost_and_found(void)
{
	int n = (int)search_or(2, 3);

	begin(n, 3, 2);
	w.mask = 0;
	all_on(0);
	submit_some(range(0, 1));
	sched_allow_cpus(1);
	submit_some(range(1, 2));
	sched_allow_cpus(3);
	submit_some(range(2, n));
	world_end(&w);
	check_accepted(n);
}

/* ... and is used again: two tasks that wait for each other need both CPUs. Searched are the moment when that is seen,
 * and the one when it is needed, each alone. */
static void cpu_found_again(void)
{
	bool seen, needed;

	begin(5, 3, 8);
	seen = !sched_is_search() || sched_choose(2);
	needed = !sched_is_search() || !seen;
	w.mask = 0;
	all_on(0);
	jobs[3].padata.parallel = jobs[4].padata.parallel = meet;
	sched_explore(!sched_is_search());
	sched_allow_cpus(1);
	submit_some(range(0, 1));
	usleep(300000);
	sched_allow_cpus(3);
	submit_some(range(1, 2));
	usleep(300000);
	sched_explore(seen);
	/* Whoever runs this one looks, before it takes another. */
	submit_some(range(2, 3));
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	sched_explore(needed);
	submit_some(range(3, 5));
	world_end(&w);
	check_accepted(5);
}

static void *stop_and_start(void *unused)
{
	(void)unused;
	padata_stop(w.pinst);
	padata_start(w.pinst);
	return NULL;
}

static void stop_and_start_against_submit(void)
{
	pthread_t other;

	int n = (int)search_or(1, 2);

	begin(n, search_or(1, 3), 2);
	pthread_create(&other, NULL, stop_and_start, NULL);
	submit_some(range(0, n));
	pthread_join(other, NULL);
	world_end(&w);
	check_accepted(n);
}

static void *stop(void *unused)
{
	(void)unused;
	padata_stop(w.pinst);
	return NULL;
}

static void stop_against_mask_change(void)
{
	pthread_t other;

	begin(1, 3, 2);
	jobs[0].cb_cpu = 0;
	pthread_create(&other, NULL, stop, NULL);
	submit_some(range(0, 1));
	SCHED_CHECK(padata_remove_cpu(w.pinst, 1) == 0);
	pthread_join(other, NULL);
	world_end(&w);
	check_accepted(1);
}

/* A thread that waits for room is let go by a stop. */
static void *wait_for_room(void *unused)
{
	int result = padata_wait_room(w.pinst);

	(void)unused;
	SCHED_CHECK(result == 0 || result == -EINVAL);
	return NULL;
}

static void stop_against_wait_room(void)
{
	pthread_t other, foreign;

	begin(1, 1, 1);
	jobs[0].deferred = true;
	submit_some(range(0, 1));
	pthread_create(&other, NULL, wait_for_room, NULL);
	padata_stop(w.pinst);
	pthread_join(other, NULL);
	pthread_create(&foreign, NULL, finish_first, NULL);
	pthread_join(foreign, NULL);
	world_end(&w);
	check_accepted(1);
}

/* Free right after the last task was handed over: by a worker, and by a thread of nobody's. */
static void free_against_last_completion(void)
{
	begin(1, 1, 2);
	submit_some(range(0, 1));
	padata_free(w.pinst);
	check_accepted(1);
	sched_explore(false);
	destroy_workqueue(w.wq);
}

static void free_against_foreign_completion(void)
{
	pthread_t foreign;

	begin(1, 3, 2);
	jobs[0].deferred = true;
	jobs[0].cb_cpu = 1;
	pthread_create(&foreign, NULL, finish_first, NULL);
	submit_some(range(0, 1));
	padata_free(w.pinst);
	check_accepted(1);
	pthread_join(foreign, NULL);
	sched_explore(false);
	destroy_workqueue(w.wq);
}

/* Another thread's submission returned before the free began, its task may not have. */
static atomic_bool submitted;

static void *submit_first(void *unused)
{
	(void)unused;
	submit_some(range(0, 1));
	atomic_store_explicit(&submitted, true, memory_order_release);
	return NULL;
}

static void free_after_submission_elsewhere(void)
{
	pthread_t other;

	begin(1, 3, 2);
	pthread_create(&other, NULL, submit_first, NULL);
	while (!atomic_load_explicit(&submitted, memory_order_acquire))
		sched_yield();
	padata_free(w.pinst);
	check_accepted(1);
	pthread_join(other, NULL);
	sched_explore(false);
	destroy_workqueue(w.wq);
}

/* padata_flush() against padata_remove_cpu() and completion. */
static void *flush(void *unused)
{
	(void)unused;
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	return NULL;
}

static void flush_against_mask_change(void)
{
	pthread_t other;

	int n = (int)search_or(0, 1);

	begin(1, 3, 2);
	submit_some(range(0, n));
	pthread_create(&other, NULL, flush, NULL);
	SCHED_CHECK(padata_remove_cpu(w.pinst, 1) == 0);
	pthread_join(other, NULL);
	world_end(&w);
	check_accepted(n);
}

/* What others submit meanwhile is not waited for, and all before is seen. */
static void *submit_second_and_third(void *unused)
{
	(void)unused;
	submit_some(range(1, 3));
	return NULL;
}

static void flush_against_producer(void)
{
	pthread_t other;

	begin(3, search_or(1, 3), 4);
	all_on(0);
	jobs[1].producer = jobs[2].producer = 1;
	pthread_create(&other, NULL, submit_second_and_third, NULL);
	submit_some(range(0, 1));
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	SCHED_CHECK(jobs[0].serial_calls == 1);
	pthread_join(other, NULL);
	world_end(&w);
	check_accepted(3);
}

static void two_flushes(void)
{
	pthread_t other;

	int n = (int)search_or(1, 2);

	begin(n, search_or(1, 3), 2);
	submit_some(range(0, n));
	pthread_create(&other, NULL, flush, NULL);
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	pthread_join(other, NULL);
	world_end(&w);
	check_accepted(n);
}

/* From the very beginning to the very end, workers included. */
static void whole_life(void)
{
	nr_cpu_ids = CPUS;
	w = (struct world){.mask = 1};
	w.wq = create_workqueue("s");
	w.pinst = instance_on(w.wq, 1, 1);
	padata_start(w.pinst);
	job_init(&jobs[0], &w, 0, 0);
	submit_some(range(0, 1));
	padata_free(w.pinst);
	destroy_workqueue(w.wq);
	check_accepted(1);
}

/* M5: a lane leaves the crew, since its CPU was lost, at the moment in which that comes back; then it is
 * needed. */
static void cpu_comes_back_as_its_lane_leaves(void)
{
	begin(3, 3, 4);
	w.mask = 0;
	all_on(1);
	jobs[1].padata.parallel = jobs[2].padata.parallel = meet;
	sched_explore(false);
	sched_allow_cpus(2);
	pd_mask_look(w.pinst, UINT64_MAX);
	sched_explore(true);
	submit_all(jobs, 1);
	sched_allow_cpus(3);
	pd_mask_look(w.pinst, UINT64_MAX);
	submit_all(&jobs[1], 2);
	world_end(&w);
	check_all(&w, jobs, 3, 1);
}

/* ... and the producer runs on a CPU whose lane is made at this moment. */
static void *look_at_cpus(void *unused)
{
	(void)unused;
	pd_mask_look(w.pinst, UINT64_MAX);
	return NULL;
}

static void cpu_comes_under_its_producer(void)
{
	pthread_t other;
	cpu_set_t second;
	int n = (int)search_or(2, 3);

	sched_allow_cpus(1);
	begin(3, 3, 4);
	all_on(0);
	sched_explore(false);
	sched_allow_cpus(3);
	CPU_ZERO(&second);
	CPU_SET(1, &second);
	SCHED_CHECK(sched_setaffinity(0, sizeof(second), &second) == 0);
	sched_explore(true);
	pthread_create(&other, NULL, look_at_cpus, NULL);
	submit_all(jobs, n);
	pthread_join(other, NULL);
	world_end(&w);
	check_all(&w, jobs, n, 1);
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
		{"mask_change_against_submit", mask_change_against_submit, 2, 0, false},
		{"submit_to_a_leaving_cpu", submit_to_a_leaving_cpu, 2, 0, false},
		{"submission_after_change", submission_after_change, 2, 0, false},
		{"mask_change_against_completion", mask_change_against_completion, 2, 0, false},
		{"mask_change_against_change", mask_change_against_change, 2, 0, false},
		{"cpu_added_against_submit", cpu_added_against_submit, 2, 0, false},
		{"cpu_lost_and_found", cpu_lost_and_found, 2, 0, false},
		{"cpu_found_again", cpu_found_again, 2, 0, true},
		{"cpu_comes_back_as_its_lane_leaves", cpu_comes_back_as_its_lane_leaves, 2, 0, false},
		{"cpu_comes_under_its_producer", cpu_comes_under_its_producer, 2, 0, false},
		{"stop_and_start_against_submit", stop_and_start_against_submit, 2, 0, false},
		{"stop_against_mask_change", stop_against_mask_change, 2, 0, false},
		{"stop_against_wait_room", stop_against_wait_room, 2, 0, false},
		{"free_against_last_completion", free_against_last_completion, 2, 0, false},
		{"free_against_foreign_completion", free_against_foreign_completion, 2, 0, false},
		{"free_after_submission_elsewhere", free_after_submission_elsewhere, 2, 0, false},
		{"flush_against_mask_change", flush_against_mask_change, 2, 0, false},
		{"flush_against_producer", flush_against_producer, 2, 0, false},
		{"two_flushes", two_flushes, 2, 0, false},
		{"whole_life", whole_life, 2, 0, false},
	};

	return sched_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}

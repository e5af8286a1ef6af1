/* SPDX-License-Identifier: MIT */

/*
 * What lies beside the way of a task: runs and thieves, the window's size, the descriptor, calls under way at the
 * end, a CPU that comes by itself.
 */

#include "jobs.h"

#include "debug.h"
#include "futex.h"
#include "instance.h"

#include <unistd.h>

/* Tasks that are known to be short are claimed several at once; the other lane robs what has not begun. */
static void runs_are_robbed(void)
{
	struct padata_priv *tasks[4];
	int accepted = 0, n = (int)search_or(3, 4), before = (int)search_or(0, 2);

	begin(6, 3, 8);
	sched_explore(false);
	for (int round = 0; round < before; round++) {
		submit_all(jobs, 6);
		SCHED_CHECK(padata_flush(w.pinst) == 0);
		for (int i = 0; i < 6; i++)
			jobs[i].number += MAX_JOBS;
	}
	/* The search has no time for lanes to learn it. */
	for (unsigned int i = 0; sched_is_search() && i < CPUS; i++)
		w.pinst->lane_list[i]->task_ns = 1000;
	flush_workqueue(w.wq);
	sched_explore(true);
	for (int i = 0; i < n; i++) {
		jobs[i].cb_cpu = 0;
		tasks[i] = &jobs[i].padata;
	}
	while (accepted < n) {
		int result = padata_do_parallel_batch(w.pinst, tasks + accepted, (unsigned int)(n - accepted), 0);

		SCHED_CHECK(result > 0);
		accepted += result;
		atomic_fetch_add_explicit(&w.accepted, (unsigned int)result, memory_order_relaxed);
	}
	world_end(&w);
	for (int i = 0; i < 6; i++)
		SCHED_CHECK(jobs[i].serial_calls == before + (i < n));
}

static void runs_are_robbed_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	runs_are_robbed();
}

/* The window's size, set while another thread starts and uses it, or sets it too; fixed once a task is accepted. */
static unsigned int window_in_use;

static void *start_and_submit(void *unused)
{
	(void)unused;
	padata_start(w.pinst);
	submit_all(jobs, 1);
	window_in_use = padata_get_window(w.pinst);
	submit_all(&jobs[1], 1);
	return NULL;
}

static void set_window_against_start(void)
{
	pthread_t other;
	int result;

	begin(2, search_or(1, 3), 2);
	padata_stop(w.pinst);
	pthread_create(&other, NULL, start_and_submit, NULL);
	result = padata_set_window(w.pinst, 5);
	SCHED_CHECK(result == 0 || result == -EBUSY);
	pthread_join(other, NULL);
	SCHED_CHECK(padata_get_window(w.pinst) == (result ? 2 : 5));
	SCHED_CHECK(padata_get_window(w.pinst) == window_in_use);
	end(2, 1);
}

static void *set_window_6(void *unused)
{
	(void)unused;
	SCHED_CHECK(padata_set_window(w.pinst, 6) == 0);
	return NULL;
}

static void two_set_windows(void)
{
	pthread_t other;

	begin(2, 1, 2);
	padata_stop(w.pinst);
	pthread_create(&other, NULL, set_window_6, NULL);
	SCHED_CHECK(padata_set_window(w.pinst, 5) == 0);
	pthread_join(other, NULL);
	padata_start(w.pinst);
	submit_all(jobs, 2);
	end(2, 1);
}

/* A call that can be seen to be under way is waited for. */
static void free_against_set_window(void)
{
	pthread_t other;

	begin(0, 1, 2);
	padata_stop(w.pinst);
	pthread_create(&other, NULL, set_window_6, NULL);
	while (padata_get_window(w.pinst) != 6)
		sched_yield();
	padata_free(w.pinst);
	pthread_join(other, NULL);
	sched_explore(false);
	destroy_workqueue(w.wq);
}

static void *stop(void *unused)
{
	(void)unused;
	padata_stop(w.pinst);
	return NULL;
}

static void free_against_stop(void)
{
	pthread_t other;
	struct padata_priv nothing = {0};

	begin(0, 1, 2);
	pthread_create(&other, NULL, stop, NULL);
	while (padata_do_parallel(w.pinst, &nothing, 0) != 0)
		sched_yield();
	padata_free(w.pinst);
	pthread_join(other, NULL);
	sched_explore(false);
	destroy_workqueue(w.wq);
}

static void free_against_stop_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	free_against_stop();
}

/* The slots that are given back were looked at by lanes until they came to rest. */
static void set_window_after_flush(void)
{
	int n = (int)search_or(1, 2);

	begin(n, search_or(1, 3), 2);
	submit_all(jobs, n);
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	padata_stop(w.pinst);
	SCHED_CHECK(padata_set_window(w.pinst, 5) == 0);
	end(n, 1);
}

/* Who is seen to sleep until there is room is let go by the end. */
static void *wait_for_room_in_vain(void *unused)
{
	(void)unused;
	SCHED_CHECK(padata_wait_room(w.pinst) <= 0);
	return NULL;
}

static void *finish_the_last(void *unused)
{
	struct job *job;

	(void)unused;
	while (!(job = atomic_load_explicit(&w.deferred[0], memory_order_acquire)))
		sched_yield();
	job_finish(job);
	return NULL;
}

static void free_against_wait_room(void)
{
	pthread_t waiter, foreign;

	begin(1, 1, 1);
	jobs[0].deferred = true;
	submit_all(jobs, 1);
	pthread_create(&waiter, NULL, wait_for_room_in_vain, NULL);
	while (!(atomic_load_explicit(&w.pinst->awaited, memory_order_acquire) & (PD_AWAIT_ROOM | PD_AWAIT_HALF)))
		sched_yield();
	pthread_create(&foreign, NULL, finish_the_last, NULL);
	padata_free(w.pinst);
	pthread_join(waiter, NULL);
	pthread_join(foreign, NULL);
	sched_explore(false);
	destroy_workqueue(w.wq);
	check_all(&w, jobs, 1, 1);
}

/* ... and so is who waits for tasks, or looks for room, when the instance goes. */
static void *flush_in_another_thread(void *unused)
{
	(void)unused;
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	return NULL;
}

static void free_against_flush(void)
{
	pthread_t flusher;

	begin(1, 1, 1);
	jobs[0].deferred = true;
	submit_all(jobs, 1);
	pthread_create(&flusher, NULL, flush_in_another_thread, NULL);
	while (!(atomic_load_explicit(&w.pinst->awaited, memory_order_relaxed) & PD_AWAIT_PROGRESS))
		sched_yield();
	finish_the_last(NULL);
	padata_free(w.pinst);
	pthread_join(flusher, NULL);
	sched_explore(false);
	destroy_workqueue(w.wq);
}

static void *ask_for_the_descriptor(void *unused)
{
	(void)unused;
	padata_room_fd(w.pinst);
	return NULL;
}

static void free_against_room_fd(void)
{
	pthread_t other;

	begin(0, 1, 1);
	pthread_create(&other, NULL, ask_for_the_descriptor, NULL);
	while (atomic_load_explicit(&w.pinst->room_fd, memory_order_relaxed) < 0)
		sched_yield();
	padata_free(w.pinst);
	pthread_join(other, NULL);
	sched_explore(false);
	destroy_workqueue(w.wq);
}

/* An instance ends in a callback of another, on a worker that it needs itself. */
static struct padata_instance *inner;

static void free_inner(struct job *job)
{
	(void)job;
	padata_free(inner);
}

static void free_in_a_callback(void)
{
	static struct world other;
	static struct job job;

	begin(1, 1, 2);
	w.on_serial = free_inner;
	sched_explore(false);
	other = (struct world){.wq = w.wq, .pinst = instance_on(w.wq, 1, 2), .mask = 1};
	inner = other.pinst;
	padata_start(inner);
	job_init(&job, &other, 0, 0);
	sched_explore(true);
	submit_all(&job, 1);
	SCHED_CHECK(padata_flush(inner) == 0);
	submit_all(jobs, 1);
	end(1, 1);
	check_all(&other, &job, 1, 1);
}

/* PADATA_DEBUG=stall: a thread that looks on, and ends with the instance. */
static void watched(void)
{
	pd_debug = PD_DEBUG_STALL;
	begin(1, 1, 1);
	submit_all(jobs, 1);
	end(1, 1);
}

/* It says what stands still, of a lane too that is made at this moment. */
static void *put_cpu_1_in(void *unused)
{
	(void)unused;
	SCHED_CHECK(padata_add_cpu(w.pinst, 1) == 0);
	return NULL;
}

static void watched_while_a_lane_is_made(void)
{
	pthread_t changer;

	pd_debug = PD_DEBUG_STALL;
	begin(1, 1, 1);
	jobs[0].deferred = true;
	submit_all(jobs, 1);
	pthread_create(&changer, NULL, put_cpu_1_in, NULL);
	usleep(2000000);
	finish_the_last(NULL);
	pthread_join(changer, NULL);
	end(1, 1);
}

static void *take_cpu_1_out(void *unused)
{
	(void)unused;
	SCHED_CHECK(padata_remove_cpu(w.pinst, 1) == 0);
	return NULL;
}

static void free_against_mask_change(void)
{
	pthread_t other;
	int result = 0;

	begin(3, 3, 3);
	pthread_create(&other, NULL, take_cpu_1_out, NULL);
	for (int i = 0; i < (int)search_or(1, 3) && result != -EBUSY; i++) {
		jobs[i].cb_cpu = 0;
		result = job_submit(&jobs[i]);
	}
	if (result == -EBUSY) {
		padata_free(w.pinst);
		pthread_join(other, NULL);
	} else {
		pthread_join(other, NULL);
		padata_free(w.pinst);
	}
	sched_explore(false);
	destroy_workqueue(w.wq);
}

/* The descriptor shows room, however a submission and a completion meet. */
static void room_fd(void)
{
	int fd;

	begin(2, 1, 1);
	fd = padata_room_fd(w.pinst);
	SCHED_CHECK(fd >= 0 && readable(fd));
	for (int i = 0; i < 2; i++) {
		while (!readable(fd))
			sched_yield();
		while (job_submit(&jobs[i]) == -EBUSY)
			sched_yield();
	}
	while (!readable(fd))
		sched_yield();
	end(2, 1);
}

static void *submit_second(void *unused)
{
	(void)unused;
	submit_all(&jobs[1], 1);
	return NULL;
}

static void room_fd_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	room_fd();
}

static void room_fd_of_two_producers(void)
{
	pthread_t other;
	int fd;

	begin(2, search_or(1, 3), 1);
	fd = padata_room_fd(w.pinst);
	jobs[1].producer = 1;
	jobs[1].number = 0;
	jobs[1].cb_cpu = (int)search_or(0, 1);
	pthread_create(&other, NULL, submit_second, NULL);
	submit_all(jobs, 1);
	pthread_join(other, NULL);
	while (!readable(fd))
		sched_yield();
	end(2, 1);
}

/* It is made while another thread takes all the room, and a completion gives it back. */
static void *submit_some(void *unused)
{
	(void)unused;
	submit_all(jobs, (int)search_or(1, 2));
	return NULL;
}

static void room_fd_made_under_load(void)
{
	pthread_t other;
	int n = (int)search_or(1, 2), fd;

	begin(n, search_or(1, 3), 1);
	pthread_create(&other, NULL, submit_some, NULL);
	fd = padata_room_fd(w.pinst);
	pthread_join(other, NULL);
	while (!readable(fd))
		sched_yield();
	end(n, 1);
}

static void room_fd_made_under_load_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	room_fd_made_under_load();
}

/* ... and while the mask changes, for which one number is left out. */
static void room_fd_made_in_a_change(void)
{
	pthread_t other;
	int fd;

	begin(0, 3, 1);
	pthread_create(&other, NULL, take_cpu_1_out, NULL);
	fd = padata_room_fd(w.pinst);
	pthread_join(other, NULL);
	while (!readable(fd))
		sched_yield();
	end(0, 1);
}

static void room_fd_made_in_a_change_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	room_fd_made_in_a_change();
}

/* M5: the process gains a CPU of the mask while tasks flow; its lane is made beside those that use the others. */
static void cpu_comes_by_itself(void)
{
	sched_allow_cpus(1);
	begin(4, 3, 4);
	sched_allow_cpus(3);
	for (int i = 0; i < 3; i++) {
		jobs[i].cb_cpu = 0;
		submit_all(&jobs[i], 1);
		usleep(150000);
	}
	for (int tries = 0; tries < 20; tries++) {
		int result;

		jobs[3].cb_cpu = 1;
		result = job_submit(&jobs[3]);
		if (result == -EINPROGRESS)
			break;
		SCHED_CHECK(result == -EINVAL || result == -EBUSY);
		sched_yield();
	}
	world_end(&w);
	for (int i = 0; i < 3; i++)
		SCHED_CHECK(jobs[i].serial_calls == 1);
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
		{"runs_are_robbed", runs_are_robbed, 2, 0, false},
		{"runs_are_robbed_by_fences", runs_are_robbed_by_fences, 0, 0, false},
		{"set_window_against_start", set_window_against_start, 2, 0, false},
		{"two_set_windows", two_set_windows, 2, 0, false},
		{"free_against_set_window", free_against_set_window, 2, 0, false},
		{"free_against_stop", free_against_stop, 2, 0, false},
		{"free_against_stop_by_fences", free_against_stop_by_fences, 0, 0, false},
		{"set_window_after_flush", set_window_after_flush, 2, 0, false},
		{"free_against_wait_room", free_against_wait_room, 2, 0, true},
		{"free_against_flush", free_against_flush, 2, 0, false},
		{"free_against_room_fd", free_against_room_fd, 2, 0, false},
		{"free_in_a_callback", free_in_a_callback, 2, 0, false},
		{"watched", watched, 2, 0, true},
		{"watched_while_a_lane_is_made", watched_while_a_lane_is_made, 2, 0, true},
		{"free_against_mask_change", free_against_mask_change, 2, 0, false},
		{"room_fd", room_fd, 2, 0, false},
		{"room_fd_by_fences", room_fd_by_fences, 0, 0, false},
		{"room_fd_of_two_producers", room_fd_of_two_producers, 2, 0, false},
		{"room_fd_made_under_load", room_fd_made_under_load, 2, 0, false},
		{"room_fd_made_under_load_by_fences", room_fd_made_under_load_by_fences, 0, 0, false},
		{"room_fd_made_in_a_change", room_fd_made_in_a_change, 2, 0, false},
		{"room_fd_made_in_a_change_by_fences", room_fd_made_in_a_change_by_fences, 0, 0, false},
		{"cpu_comes_by_itself", cpu_comes_by_itself, 2, 0, true},
	};

	return sched_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}

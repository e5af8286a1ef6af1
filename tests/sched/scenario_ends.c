/* SPDX-License-Identifier: MIT */

/* Who is still inside when an instance ends: calls that were seen under way, lanes on their way to rest. */

#include "jobs.h"

#include "debug.h"
#include "futex.h"
#include "instance.h"

#include <unistd.h>

static atomic_bool done, freed;

static void say_done(struct job *job)
{
	(void)job;
	atomic_store_explicit(&done, true, memory_order_release);
}

/* The task is seen to have completed, so the instance may go: but not before the call that submitted it has
 * ended. */
static void *submit_and_stay(void *batch)
{
	struct padata_priv *task = &jobs[0].padata;

	if (batch)
		SCHED_CHECK(padata_do_parallel_batch(w.pinst, &task, 1, 0) == 1);
	else
		SCHED_CHECK(padata_do_parallel(w.pinst, task, 0) == -EINPROGRESS);
	/* A thread that ends is inside of nothing: this one lives on. */
	while (!atomic_load_explicit(&freed, memory_order_relaxed))
		sched_yield();
	return NULL;
}

static void free_when_done(void *batch)
{
	pthread_t producer;

	begin(1, 1, 1);
	w.on_serial = say_done;
	pthread_create(&producer, NULL, submit_and_stay, batch);
	while (!atomic_load_explicit(&done, memory_order_acquire))
		sched_yield();
	padata_free(w.pinst);
	atomic_store_explicit(&freed, true, memory_order_relaxed);
	pthread_join(producer, NULL);
	sched_explore(false);
	destroy_workqueue(w.wq);
}

static void free_against_submission(void)
{
	free_when_done(NULL);
}

static void free_against_batch(void)
{
	free_when_done(&w);
}

static void *finish_and_stay(void *unused)
{
	struct job *job;

	(void)unused;
	while (!(job = atomic_load_explicit(&w.deferred[0], memory_order_acquire)))
		sched_yield();
	job_finish(job);
	while (!atomic_load_explicit(&freed, memory_order_relaxed))
		sched_yield();
	return NULL;
}

static void free_against_completion(void)
{
	pthread_t foreign;

	begin(1, 1, 1);
	w.on_serial = say_done;
	jobs[0].deferred = true;
	pthread_create(&foreign, NULL, finish_and_stay, NULL);
	submit_all(jobs, 1);
	while (!atomic_load_explicit(&done, memory_order_acquire))
		sched_yield();
	padata_free(w.pinst);
	atomic_store_explicit(&freed, true, memory_order_relaxed);
	pthread_join(foreign, NULL);
	sched_explore(false);
	destroy_workqueue(w.wq);
}

/* A task has completed, and its finisher is still at its slot when the slots are to be changed for others. */
static void set_window_against_completion(void)
{
	pthread_t foreign;

	begin(1, 1, 1);
	jobs[0].deferred = true;
	submit_all(jobs, 1);
	pthread_create(&foreign, NULL, finish_and_stay, NULL);
	padata_stop(w.pinst);
	while (padata_set_window(w.pinst, 5) == -EBUSY)
		sched_yield();
	atomic_store_explicit(&freed, true, memory_order_relaxed);
	pthread_join(foreign, NULL);
	world_end(&w);
}

/* Whose call is over is inside of nothing, and lives on. */
static void call_any(void)
{
	switch (sched_choose(6)) {
	case 0:
		SCHED_CHECK(padata_remove_cpu(w.pinst, 1) == 0);
		break;
	case 1:
		SCHED_CHECK(padata_room_fd(w.pinst) >= 0);
		break;
	case 2:
		SCHED_CHECK(padata_wait_room(w.pinst) == 0);
		break;
	case 3:
		SCHED_CHECK(padata_flush(w.pinst) == 0);
		break;
	case 4:
		SCHED_CHECK(padata_set_window(w.pinst, 2) == -EBUSY);
		break;
	default:
		padata_stop(w.pinst);
	}
}

static void *call_and_stay(void *unused)
{
	(void)unused;
	call_any();
	atomic_store_explicit(&done, true, memory_order_release);
	while (!atomic_load_explicit(&freed, memory_order_relaxed))
		sched_yield();
	return NULL;
}

/* The end comes when `done` says so; the caller stays, so that its thread's end orders nothing. */
static void free_beside(void *(*call)(void *))
{
	pthread_t caller;

	begin(0, 1, 1);
	pthread_create(&caller, NULL, call, NULL);
	while (!atomic_load_explicit(&done, memory_order_acquire))
		sched_yield();
	padata_free(w.pinst);
	atomic_store_explicit(&freed, true, memory_order_relaxed);
	pthread_join(caller, NULL);
	sched_explore(false);
	destroy_workqueue(w.wq);
}

static void free_after_a_call(void)
{
	free_beside(call_and_stay);
}

/* The source says that it has ended, so the instance may go: but not before the call that saw it through. */
static unsigned int give_nothing(struct padata_source *source, struct padata_priv **tasks, unsigned int n,
				 int *cb_cpu)
{
	(void)source;
	(void)tasks;
	(void)n;
	(void)cb_cpu;
	atomic_store_explicit(&done, true, memory_order_release);
	return 0;
}

static void *pull_and_stay(void *unused)
{
	struct padata_source source = {.pull = give_nothing};

	(void)unused;
	SCHED_CHECK(padata_pull(w.pinst, &source) == 0);
	while (!atomic_load_explicit(&freed, memory_order_relaxed))
		sched_yield();
	return NULL;
}

static void free_against_pull(void)
{
	free_beside(pull_and_stay);
}

/* M4: a change waits for tasks, another call waits for that change, and has for long when the end comes. */
static void *change(void *unused)
{
	(void)unused;
	SCHED_CHECK(padata_remove_cpu(w.pinst, 1) == 0);
	return NULL;
}

static void *set_window(void *unused)
{
	int result = padata_set_window(w.pinst, 3);

	(void)unused;
	SCHED_CHECK(result == 0 || result == -EBUSY);
	return NULL;
}

static void free_against_waiting(void *(*call)(void *))
{
	pthread_t changer, other;

	begin(1, 1, 1);
	jobs[0].deferred = true;
	submit_all(jobs, 1);
	pthread_create(&changer, NULL, change, NULL);
	while (!(atomic_load_explicit(&w.pinst->window.gate, memory_order_relaxed) & PD_GATE_CHANGING))
		sched_yield();
	pthread_create(&other, NULL, call, NULL);
	while (!sched_waits(other))
		sched_yield();
	while (!atomic_load_explicit(&w.deferred[0], memory_order_acquire))
		sched_yield();
	job_finish(&jobs[0]);
	padata_free(w.pinst);
	pthread_join(changer, NULL);
	pthread_join(other, NULL);
	sched_explore(false);
	destroy_workqueue(w.wq);
}

static void free_against_waiting_change(void)
{
	free_against_waiting(change);
}

static void free_against_waiting_set_window(void)
{
	free_against_waiting(set_window);
}

/*
 * A callback starts the instance anew while it is being freed. Who waits for room is told so by the last
 * completion, and finds neither room nor the end: that is told by padata_free() alone.
 */
static void start_again(struct job *job)
{
	(void)job;
	padata_start(w.pinst);
}

static void *wait_for_room_in_vain(void *unused)
{
	(void)unused;
	SCHED_CHECK(padata_wait_room(w.pinst) <= 0);
	return NULL;
}

static void *finish_when_shut(void *unused)
{
	(void)unused;
	while (!(atomic_load_explicit(&w.pinst->window.gate, memory_order_relaxed) & PD_GATE_CHANGING) ||
	       !atomic_load_explicit(&w.deferred[0], memory_order_acquire))
		sched_yield();
	job_finish(&jobs[0]);
	return NULL;
}

static void free_against_start(void)
{
	pthread_t waiter, foreign;

	begin(1, 1, 1);
	w.on_serial = start_again;
	jobs[0].deferred = true;
	submit_all(jobs, 1);
	pthread_create(&waiter, NULL, wait_for_room_in_vain, NULL);
	/* It sleeps until it is woken, and for no time only. */
	while (!(atomic_load_explicit(&w.pinst->awaited, memory_order_relaxed) & PD_AWAIT_ROOM))
		sched_yield();
	pthread_create(&foreign, NULL, finish_when_shut, NULL);
	padata_free(w.pinst);
	pthread_join(waiter, NULL);
	pthread_join(foreign, NULL);
	sched_explore(false);
	destroy_workqueue(w.wq);
}

/*
 * An instance ends in a callback of another, on a worker of both, while its own lane is queued there: a call
 * has come late. The lane rests in the callback's hands, and the outer instance ends next.
 */
static struct padata_instance *inner;

static void call_and_free_inner(struct job *job)
{
	struct pd_lane *lane = inner->lane_list[0];

	(void)job;
	if (pd_inbox_poke(&lane->inbox))
		pd_worker_queue(lane->worker, &lane->work);
	padata_free(inner);
}

static void free_of_a_queued_lane(void)
{
	begin(1, 1, 1);
	w.on_serial = call_and_free_inner;
	sched_explore(false);
	inner = instance_on(w.wq, 1, 1);
	sched_explore(true);
	submit_all(jobs, 1);
	padata_free(w.pinst);
	sched_explore(false);
	destroy_workqueue(w.wq);
}

/* A lane that goes to rest may call one that was seen at rest: by look_again(), with a task that others have run
 * since. */
static void call_and_rest(struct work_struct *work)
{
	struct pd_lane *self = w.pinst->lane_list[1], *other = w.pinst->lane_list[0];

	(void)work;
	pd_guard_enter(PD_IN_LANE, w.pinst, 0);
	if (pd_inbox_poke(&other->inbox))
		pd_worker_queue(other->worker, &other->work);
	SCHED_CHECK(pd_inbox_rest(&self->inbox));
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&w.pinst->awaited, memory_order_relaxed))
		pd_notify(w.pinst, true);
	pd_guard_leave(PD_IN_LANE);
}

static void free_against_a_late_call(void)
{
	static struct work_struct late;

	begin(0, 3, 1);
	INIT_WORK(&late, call_and_rest);
	SCHED_CHECK(pd_inbox_poke(&w.pinst->lane_list[1]->inbox));
	SCHED_CHECK(queue_work_on(1, w.wq, &late));
	padata_free(w.pinst);
	sched_explore(false);
	destroy_workqueue(w.wq);
}

/* An end that waits for a lane sleeps: its worker may be in a callback of another instance for long. */
static struct pd_parker held;
static atomic_bool begun;

static void hold(struct padata_priv *padata)
{
	atomic_store_explicit(&begun, true, memory_order_relaxed);
	pd_park(&held);
	job_parallel(padata);
}

static void *free_inner(void *unused)
{
	(void)unused;
	padata_free(inner);
	return NULL;
}

static void free_sleeps_until_a_lane_rests(void)
{
	struct pd_lane *lane;
	pthread_t other;

	begin(1, 1, 1);
	sched_explore(false);
	inner = instance_on(w.wq, 1, 1);
	sched_explore(true);
	lane = inner->lane_list[0];
	jobs[0].padata.parallel = hold;
	submit_all(jobs, 1);
	while (!atomic_load_explicit(&begun, memory_order_relaxed))
		sched_yield();
	SCHED_CHECK(pd_inbox_poke(&lane->inbox));
	pd_worker_queue(lane->worker, &lane->work);
	pthread_create(&other, NULL, free_inner, NULL);
	while (!sched_waits(other))
		sched_yield();
	pd_unpark(&held);
	pthread_join(other, NULL);
	world_end(&w);
}

/* The watcher says where a task stands still, which is finished at this moment, and another window is made. */
static void watched_as_the_window_goes(void)
{
	pd_debug = PD_DEBUG_STALL;
	begin(1, 1, 1);
	jobs[0].deferred = true;
	submit_all(jobs, 1);
	while (!atomic_load_explicit(&w.deferred[0], memory_order_acquire))
		sched_yield();
	usleep(1250000);
	job_finish(&jobs[0]);
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	padata_stop(w.pinst);
	SCHED_CHECK(padata_set_window(w.pinst, 2) == 0);
	end(1, 1);
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
		{"free_against_submission", free_against_submission, 2, 0, false},
		{"free_against_batch", free_against_batch, 2, 0, false},
		{"free_against_completion", free_against_completion, 2, 0, false},
		{"set_window_against_completion", set_window_against_completion, 2, 0, false},
		{"free_after_a_call", free_after_a_call, 2, 0, false},
		{"free_against_pull", free_against_pull, 2, 0, false},
		{"free_against_waiting_change", free_against_waiting_change, 2, 0, false},
		{"free_against_waiting_set_window", free_against_waiting_set_window, 2, 0, false},
		{"free_against_start", free_against_start, 2, 0, true},
		{"free_of_a_queued_lane", free_of_a_queued_lane, 2, 0, false},
		{"free_against_a_late_call", free_against_a_late_call, 2, 0, false},
		{"free_sleeps_until_a_lane_rests", free_sleeps_until_a_lane_rests, 2, 0, false},
		{"watched_as_the_window_goes", watched_as_the_window_goes, 2, 0, true},
	};

	return sched_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}

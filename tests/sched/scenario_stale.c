/* SPDX-License-Identifier: MIT */

/* Who comes late to what another has changed, and goes by what he saw before. */

#include "world.h"

#include "debug.h"
#include "instance.h"

#include <unistd.h>

static struct world w;
static struct job jobs[MAX_JOBS];

/*
 * M5: a CPU comes, and its lane is made by one that looks, as another delivers the first task for it. Threads stand
 * for the lane that looks and for one that pulls, whose submission passes no fence: the workers stay in callbacks.
 */
static struct pd_parker gates[CPUS];

static void stay(struct work_struct *item)
{
	(void)item;
	pd_park(&gates[sched_getcpu()]);
}

static void *look_at_cpus(void *unused)
{
	(void)unused;
	pd_mask_look(w.pinst, UINT64_MAX);
	return NULL;
}

static void *finish(void *unused)
{
	(void)unused;
	while (!atomic_load_explicit(&w.deferred[0], memory_order_acquire))
		sched_yield();
	job_finish(&jobs[0]);
	return NULL;
}

static void delivery_to_a_new_lane(void)
{
	struct padata_priv *task = &jobs[0].padata;
	struct work_struct items[CPUS];
	pthread_t looker, finisher;
	unsigned int n = 1;
	bool claimed = false;
	uint64_t seq;

	sched_allow_cpus(1);
	world_begin(&w, 3, 2);
	sched_explore(false);
	sched_allow_cpus(3);
	for (int cpu = 0; cpu < CPUS; cpu++) {
		INIT_WORK(&items[cpu], stay);
		queue_work_on(cpu, w.wq, &items[cpu]);
	}
	w.mask = 0;
	job_init(&jobs[0], &w, 0, 1);
	jobs[0].deferred = true;
	sched_explore(true);
	pthread_create(&looker, NULL, look_at_cpus, NULL);
	pthread_create(&finisher, NULL, finish, NULL);
	while (pd_submit(w.pinst, &task, &n, 1, &seq, &claimed) != -EINPROGRESS)
		sched_yield();
	SCHED_CHECK(claimed);
	atomic_fetch_add_explicit(&w.accepted, 1, memory_order_relaxed);
	pd_task_set_state(task, PD_TASK_RUNNING);
	job_parallel(task);
	pthread_join(looker, NULL);
	pthread_join(finisher, NULL);
	sched_explore(false);
	for (int cpu = 0; cpu < CPUS; cpu++)
		pd_unpark(&gates[cpu]);
	world_end(&w);
	check_all(&w, jobs, 1, 1);
}

/*
 * PADATA_DEBUG=stall: the slots are replaced as the watcher is about to look into them. To a window that has room for
 * as many as the watcher has seen room for in the old one.
 */
static void *replace_window(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&w.pinst->change_lock);
	pd_quiesce_locked(w.pinst, 0);
	SCHED_CHECK(pd_window_resize(&w.pinst->window, 1) == 0);
	atomic_store_explicit(&w.pinst->size, 1, memory_order_relaxed);
	pd_resume_locked(w.pinst);
	pthread_mutex_unlock(&w.pinst->change_lock);
	return NULL;
}

static void watched_as_the_window_changes(void)
{
	pthread_t changer;

	pd_debug = PD_DEBUG_STALL;
	world_begin(&w, 1, 2);
	job_init(&jobs[0], &w, 0, 0);
	jobs[0].deferred = true;
	submit_all(jobs, 1);
	while (!atomic_load_explicit(&w.deferred[0], memory_order_acquire))
		sched_yield();
	usleep(1000000);
	pthread_create(&changer, NULL, replace_window, NULL);
	usleep(250000);
	job_finish(&jobs[0]);
	pthread_join(changer, NULL);
	world_end(&w);
	check_all(&w, jobs, 1, 1);
}

/* A lane gives room to who sleeps for no time only, and then waits for him in the next serial(). */
static void wait_for_producer(struct job *job)
{
	if (job == &jobs[1])
		pd_park(&gates[0]);
}

static void *finish_both(void *unused)
{
	usleep(12000);
	job_finish(&jobs[1]);
	job_finish(&jobs[0]);
	return unused;
}

static void wait_room_for_a_lane_that_stays(void)
{
	pthread_t finisher;

	world_begin(&w, 1, 2);
	sched_explore(false);
	for (int i = 0; i < 2; i++) {
		job_init(&jobs[i], &w, i, 0);
		jobs[i].deferred = true;
	}
	w.on_serial = wait_for_producer;
	submit_all(jobs, 2);
	flush_workqueue(w.wq);
	sched_explore(true);
	pthread_create(&finisher, NULL, finish_both, NULL);
	SCHED_CHECK(padata_wait_room(w.pinst) == 0);
	pd_unpark(&gates[0]);
	pthread_join(finisher, NULL);
	world_end(&w);
	check_all(&w, jobs, 2, 1);
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
		{"delivery_to_a_new_lane", delivery_to_a_new_lane, 1, 1, false},
		{"watched_as_the_window_changes", watched_as_the_window_changes, 0, 0, true},
		{"wait_room_for_a_lane_that_stays", wait_room_for_a_lane_that_stays, 1, 1, true},
	};

	return sched_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}

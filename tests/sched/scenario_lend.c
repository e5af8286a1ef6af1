/* SPDX-License-Identifier: MIT */

/*
 * M4: changes, while workers sleep in calls of the library: in callbacks of another instance, or other items. Behind
 * them lanes wait that are to come to rest.
 */

#include "jobs.h"

#include "instance.h"

static struct padata_instance *inner; /* on the same workqueue */

/* An item that holds its CPU's worker until its lanes wait behind it, and then makes a call. */
struct caller {
	struct work_struct item;
	struct padata_instance *pinst;
	void (*call)(struct padata_instance *pinst);
	struct pd_parker go;
};

static struct caller callers[CPUS];
static atomic_int begun;
static atomic_uint returned;

static void run_caller(struct work_struct *item)
{
	struct caller *caller = container_of(item, struct caller, item);

	atomic_fetch_add_explicit(&begun, 1, memory_order_relaxed);
	pd_park(&caller->go);
	caller->call(caller->pinst);
	atomic_fetch_add_explicit(&returned, 1, memory_order_release);
	pd_futex_wake(&returned, 1);
}

static void wake_lanes(struct padata_instance *pinst)
{
	unsigned int lanes = pd_instance_lanes(pinst);

	for (unsigned int i = 0; i < lanes; i++)
		pd_lane_wake(pinst->lane_list[i]);
}

static void prepare(int cpu, struct padata_instance *pinst, void (*call)(struct padata_instance *pinst))
{
	callers[cpu] = (struct caller){.pinst = pinst, .call = call};
	INIT_WORK(&callers[cpu].item, run_caller);
	SCHED_CHECK(queue_work_on(cpu, w.wq, &callers[cpu].item));
}

/* They are on their CPUs, and every lane waits behind one. */
static void let_go(int n)
{
	while (atomic_load_explicit(&begun, memory_order_relaxed) < n)
		sched_yield();
	wake_lanes(w.pinst);
	if (inner)
		wake_lanes(inner);
	sched_explore(true);
	for (int i = 0; i < n; i++)
		pd_unpark(&callers[i].go);
}

static void change(struct padata_instance *pinst)
{
	SCHED_CHECK(padata_add_cpu(pinst, 0) == 0);
}

static void resize(struct padata_instance *pinst)
{
	SCHED_CHECK(padata_set_window(pinst, 3) == 0);
}

static void wait_for_room(struct padata_instance *pinst)
{
	SCHED_CHECK(padata_wait_room(pinst) == -EINVAL);
}

static void sleep_in_any(struct padata_instance *pinst)
{
	switch (sched_choose(3)) {
	case 0:
		SCHED_CHECK(padata_wait_room(pinst) == 0);
		break;
	case 1:
		SCHED_CHECK(padata_flush(pinst) == 0);
		break;
	default:
		change(pinst);
	}
}

static void await_callers(unsigned int n)
{
	unsigned int have;

	while ((have = atomic_load_explicit(&returned, memory_order_acquire)) < n)
		pd_futex_wait(&returned, have, 0);
	sched_explore(!sched_is_search());
}

static void changes_on_two_workers(void)
{
	begin(0, 3, 1);
	sched_explore(false);
	prepare(0, w.pinst, change);
	prepare(1, w.pinst, change);
	let_go(2);
	await_callers(2);
	end(0, 0);
}

/* A worker that changes the one instance has a lane of the other behind it. */
static void changes_of_two_instances(void)
{
	begin(0, 3, 1);
	sched_explore(false);
	inner = instance_on(w.wq, 3, 1);
	prepare(0, w.pinst, change);
	prepare(1, inner, resize);
	let_go(2);
	await_callers(2);
	padata_free(inner);
	end(0, 0);
}

static void change_against_a_sleeping_worker(void)
{
	begin(0, 1, 1);
	sched_explore(false);
	prepare(0, w.pinst, sleep_in_any);
	let_go(1);
	change(w.pinst);
	await_callers(1);
	end(0, 0);
}

/* It sleeps for long in a call of another instance. */
static void free_against_a_sleeping_worker(void)
{
	begin(1, 1, 1);
	jobs[0].deferred = true;
	sched_explore(false);
	submit_all(jobs, 1);
	while (!atomic_load_explicit(&w.deferred[0], memory_order_acquire))
		sched_yield();
	inner = instance_on(w.wq, 1, 1);
	prepare(0, w.pinst, wait_for_room);
	let_go(1);
	padata_free(inner);
	padata_stop(w.pinst);
	await_callers(1);
	job_finish(jobs);
	end(1, 1);
}

/* Two instances end in items, each on a CPU where the other has a lane. */
static void frees_on_two_workers(void)
{
	struct padata_instance *other;

	begin(0, 3, 1);
	sched_explore(false);
	inner = instance_on(w.wq, 3, 1);
	other = instance_on(w.wq, 3, 1);
	prepare(0, inner, padata_free);
	prepare(1, other, padata_free);
	wake_lanes(other);
	let_go(2);
	await_callers(2);
	end(0, 0);
}

/* The lane is called as its worker goes to sleep, by one that comes to rest and then tells who waits. */
static void call_and_rest(struct work_struct *item)
{
	struct pd_lane *self = w.pinst->lane_list[1];

	(void)item;
	pd_guard_enter(PD_IN_LANE, w.pinst, 0);
	pd_lane_wake(w.pinst->lane_list[0]);
	SCHED_CHECK(pd_inbox_rest(&self->inbox));
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&w.pinst->awaited, memory_order_relaxed))
		pd_notify(w.pinst, true);
	pd_guard_leave(PD_IN_LANE);
}

static void late_call_to_a_sleeping_worker(void)
{
	static struct work_struct late;

	begin(0, 3, 1);
	sched_explore(false);
	prepare(0, w.pinst, change);
	while (!atomic_load_explicit(&begun, memory_order_relaxed))
		sched_yield();
	sched_explore(true);
	INIT_WORK(&late, call_and_rest);
	SCHED_CHECK(pd_inbox_poke(&w.pinst->lane_list[1]->inbox));
	SCHED_CHECK(queue_work_on(1, w.wq, &late));
	pd_unpark(&callers[0].go);
	change(w.pinst);
	await_callers(1);
	end(0, 0);
}

/* A lane that waits behind nobody, since it is its own callback that sleeps, is waited for. */
static void finish_and_flush(struct padata_priv *padata)
{
	job_parallel(padata);
	/* Else the task is outstanding as long as this sleeps. */
	if (sched_getcpu() == 0)
		SCHED_CHECK(padata_flush(inner) == 0);
}

static atomic_bool changed;

static void *change_outer(void *unused)
{
	(void)unused;
	change(w.pinst);
	atomic_store_explicit(&changed, true, memory_order_relaxed);
	return NULL;
}

static void change_sleeps_until_a_callback_returns(void)
{
	static struct world other;
	struct job deferred;
	pthread_t changer;

	begin(1, 3, 1);
	jobs[0].padata.parallel = finish_and_flush;
	jobs[0].cb_cpu = 1;
	sched_explore(false);
	inner = instance_on(w.wq, 3, 1);
	padata_start(inner);
	other = (struct world){.wq = w.wq, .pinst = inner, .mask = 3};
	job_init(&deferred, &other, 0, 1);
	deferred.deferred = true;
	submit_all(&deferred, 1);
	while (!atomic_load_explicit(&other.deferred[0], memory_order_acquire))
		sched_yield();
	sched_explore(true);
	submit_all(jobs, 1);
	while (pd_room(w.pinst) == 0)
		sched_yield();
	pthread_create(&changer, NULL, change_outer, NULL);
	while (!sched_waits(changer) && !atomic_load_explicit(&changed, memory_order_relaxed))
		sched_yield();
	job_finish(&deferred);
	pthread_join(changer, NULL);
	padata_free(inner);
	end(1, 1);
}

/* By the interface alone: serial() of one instance, on two CPUs, changes the other, whose last tasks ran there. */
static void change_inner(struct job *job)
{
	(void)job;
	change(inner);
}

static void changes_in_callbacks_of_another_instance(void)
{
	static struct world other;
	struct job in[2];

	begin(2, 3, 4);
	sched_explore(false);
	inner = instance_on(w.wq, 3, 2);
	padata_start(inner);
	other = (struct world){.wq = w.wq, .pinst = inner, .mask = 3};
	sched_explore(true);
	for (int i = 0; i < 2; i++) {
		job_init(&in[i], &other, i, i);
		submit_all(&in[i], 1);
	}
	SCHED_CHECK(padata_flush(inner) == 0);
	w.on_serial = change_inner;
	submit_all(jobs, 2);
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	padata_free(inner);
	end(2, 1);
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
		{"changes_on_two_workers", changes_on_two_workers, 2, 0, false},
		{"changes_of_two_instances", changes_of_two_instances, 2, 0, false},
		{"change_against_a_sleeping_worker", change_against_a_sleeping_worker, 2, 0, false},
		{"free_against_a_sleeping_worker", free_against_a_sleeping_worker, 2, 0, false},
		{"frees_on_two_workers", frees_on_two_workers, 2, 0, false},
		{"late_call_to_a_sleeping_worker", late_call_to_a_sleeping_worker, 2, 0, false},
		{"change_sleeps_until_a_callback_returns", change_sleeps_until_a_callback_returns, 0, 0, false},
		{"changes_in_callbacks_of_another_instance", changes_in_callbacks_of_another_instance, 0, 0, true},
	};

	return sched_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}

/* SPDX-License-Identifier: MIT */

/* The two calls that a task passes through: padata_do_parallel() and padata_do_serial(). */

#include "instance.h"

#include <limits.h>
#include <sched.h>
#include <time.h>

/* False: try again. Otherwise *result is -EINPROGRESS, and *n numbers from *seq on are ours, or the refusal.
 */
static bool reserve(struct padata_instance *pinst, uint64_t gate, uint64_t *seq, unsigned int *n, int *result)
{
	switch (pd_window_reserve(&pinst->window, gate, seq, n)) {
	case PD_RESERVED:
		*result = -EINPROGRESS;
		return true;
	case PD_STOPPED:
		*result = 0;
		return true;
	case PD_CHANGING:
		*result = -EBUSY;
		return true;
	case PD_FULL:
		*result = -EBUSY;
		return !pd_room_allow(pinst);
	case PD_AGAIN:
		break;
	}
	return false;
}

static bool is_complete(struct padata_priv *const *tasks, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (!tasks[i] || !tasks[i]->parallel || !tasks[i]->serial)
			return false;
	}
	return true;
}

static inline void publish(struct padata_instance *pinst, struct padata_priv *task, uint64_t seq, int cb_cpu)
{
	pd_task(task)->instance = pinst;
	pd_task(task)->seq = seq;
	pd_task(task)->cb_cpu = cb_cpu;
	pd_task_set_state(task, PD_TASK_SUBMITTED);
	pd_window_publish(&pinst->window, seq, task);
}

/* A producer with few tasks: so long after its last call, and after it last filled the window. */
static const uint64_t seldom_ns = 10000, filled_ns = 1000000;

static uint64_t thread_cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/*
 * Where serial() is to run one CPU is woken instead of two; but a long task there would hold up serial().
 * To wake a worker on one's own CPU takes no interrupt, and it takes the processor at once. So a producer
 * with few short tasks does that, and one that has slept for a fifth of the time since its last such call;
 * with many it would stand still for each.
 */
static unsigned int whom_to_call(struct padata_instance *pinst, int cb_cpu)
{
	static _Thread_local uint64_t last_now __attribute__((__tls_model__("initial-exec")));
	static _Thread_local uint64_t last_used __attribute__((__tls_model__("initial-exec")));
	/* Relaxed, here and below: hints. */
	bool is_brief = atomic_load_explicit(&pinst->is_brief, memory_order_relaxed), sleeps, seldom;
	int here = sched_getcpu();
	uint64_t now, used;

	if (cb_cpu != here && is_brief)
		return (unsigned int)cb_cpu;
	now = pd_now();
	/* Asked in any case: it has the kernel bring the accounts up to date by which it lets the worker in. */
	used = thread_cpu_ns();
	sleeps = last_now && (now - last_now) * 4 > (used - last_used) * 5;
	seldom = is_brief && now - last_now > seldom_ns &&
		 now - atomic_load_explicit(&pinst->room_since, memory_order_relaxed) > filled_ns;
	last_now = now;
	last_used = used;
	atomic_store_explicit(&pinst->seldom_cpu, seldom ? here : -1, memory_order_relaxed);
	return here < 0 ? 0 : (unsigned int)here + !(sleeps || seldom);
}

/* -EINPROGRESS, and the first *n of the tasks have numbers, from *seq on; or the refusal of all. */
static inline int admit(struct padata_instance *pinst, struct padata_priv *const *tasks, unsigned int *n,
			int cb_cpu, uint64_t *seq)
{
	unsigned int wanted = *n;
	uint64_t gate;
	int result;

	do {
		*n = wanted;
		gate = pd_window_gate(&pinst->window);
		if (gate & PD_GATE_STOPPED)
			return 0;
		if (gate & PD_GATE_CHANGING)
			return -EBUSY;
		if (!is_complete(tasks, *n) || !pd_instance_usable(pinst, cb_cpu))
			return -EINVAL;
		/* The limit is behind what has completed: a batch is not to end there. */
		if (wanted > 1 && pd_window_short(&pinst->window, gate, wanted))
			pd_room_allow(pinst);
	} while (!reserve(pinst, gate, seq, n, &result));
	return result;
}

/* The room that we have taken may have been the last. */
static inline void show_room(struct padata_instance *pinst)
{
	if (pd_unlikely(atomic_load_explicit(&pinst->room_fd, memory_order_relaxed) >= 0) &&
	    pd_room(pinst) == 0)
		pd_room_fd_update(pinst);
}

static inline int submit(struct padata_instance *pinst, struct padata_priv *const *tasks, unsigned int *n,
			 int cb_cpu)
{
	uint64_t seq;
	int result = admit(pinst, tasks, n, cb_cpu, &seq);

	if (result != -EINPROGRESS)
		return result;
	for (unsigned int i = 0; i < *n; i++)
		publish(pinst, tasks[i], seq + i, cb_cpu);
	/* From here on the tasks may have completed; the instance is kept by our guard. */
	/* Pairs with the fence in look_again(): a lane that stops searching sees the tasks, or we see that;
	 * and for show_room() with the heavy barrier in padata_room_fd(). */
	atomic_thread_fence(memory_order_seq_cst);
	if (pd_unlikely(pd_crew_lacks_searcher(&pinst->crew)))
		pd_lane_call(pinst, whom_to_call(pinst, cb_cpu));
	else if (pd_unlikely(pd_crew_relies_on_searcher(&pinst->crew)))
		pd_lane_call_other(pinst);
	show_room(pinst);
	return -EINPROGRESS;
}

int pd_submit(struct padata_instance *pinst, struct padata_priv *const *tasks, unsigned int *n, int cb_cpu,
	      uint64_t *first, bool *claimed)
{
	int result = admit(pinst, tasks, n, cb_cpu, first);

	if (result != -EINPROGRESS)
		return result;
	/* The first one last, so that nobody can claim any before we can. */
	for (unsigned int i = 1; i < *n; i++)
		publish(pinst, tasks[i], *first + i, cb_cpu);
	publish(pinst, tasks[0], *first, cb_cpu);
	*claimed = pd_window_claim_own(&pinst->window, *first, *n);
	/* Pairs with the heavy one in padata_room_fd(): its maker sees the room gone, or we see the
	 * descriptor. */
	pd_barrier_light();
	show_room(pinst);
	return -EINPROGRESS;
}

PD_EXPORT int padata_do_parallel(struct padata_instance *pinst, struct padata_priv *padata, int cb_cpu)
{
	unsigned int n = 1;
	int result;

	if (!pinst)
		return -EINVAL;
	if (pd_unlikely(pd_instance_inherited(pinst)))
		return -ENODEV;
	pd_guard_enter(PD_IN_CALL, pinst, 0);
	result = submit(pinst, &padata, &n, cb_cpu);
	pd_guard_leave(PD_IN_CALL);
	return result;
}

PD_EXPORT int padata_do_parallel_batch(struct padata_instance *pinst, struct padata_priv *const *tasks,
				       unsigned int n, int cb_cpu)
{
	int result;

	if (!pinst || !tasks || n == 0 || n > INT_MAX)
		return -EINVAL;
	if (pd_unlikely(pd_instance_inherited(pinst)))
		return -ENODEV;
	pd_guard_enter(PD_IN_CALL, pinst, 0);
	result = submit(pinst, tasks, &n, cb_cpu);
	pd_guard_leave(PD_IN_CALL);
	return result == -EINPROGRESS ? (int)n : result;
}

/* Pairs with the fences in pd_window_park() and look_again(): the task is seen there, or the token here. */
static void look_for_token(struct padata_instance *pinst)
{
	atomic_thread_fence(memory_order_seq_cst);
	pd_lane_deliver(pinst);
}

static void die_finished_twice(const struct padata_priv *padata)
{
	pd_die("padata_do_serial: task %p was finished already: two calls at once", (const void *)padata);
}

/* By a thread that no lane keeps the instance for. */
static PD_COLD void finish_outside(struct padata_instance *pinst, struct padata_priv *padata)
{
	uint64_t seq = pd_task(padata)->seq;
	uint16_t cpu = (uint16_t)pd_task(padata)->cb_cpu;

	pd_guard_enter(PD_IN_CALL, pinst, 0);
	pd_task_set_state(padata, PD_TASK_FINISHED);
	if (!pd_window_done(&pinst->window, seq, cpu))
		die_finished_twice(padata);
	look_for_token(pinst);
	pd_guard_leave(PD_IN_CALL);
}

PD_EXPORT void padata_do_serial(struct padata_priv *padata)
{
	struct padata_instance *pinst;
	struct pd_lane *lane = pd_lane_self;

	if (pd_unlikely(!padata))
		pd_die("padata_do_serial: called with NULL");
	if (pd_unlikely(pd_task_state(padata) != PD_TASK_RUNNING))
		pd_die("padata_do_serial: task %p %s", (void *)padata,
		       pd_task_state(padata) == PD_TASK_FINISHED
			   ? "was finished already: a second call"
			   : "is not in parallel(): never submitted, or completed");
	pinst = pd_task(padata)->instance;
	if (pd_unlikely(pd_instance_inherited(pinst)))
		return;
	if (pd_unlikely(!lane || lane->instance != pinst)) {
		finish_outside(pinst, padata);
		return;
	}
	pd_task_set_state(padata, PD_TASK_FINISHED);
	if (pd_unlikely(!pd_window_done(&pinst->window, pd_task(padata)->seq,
					      (uint16_t)pd_task(padata)->cb_cpu)))
		die_finished_twice(padata);
	if (!pd_run_goes_on(lane))
		look_for_token(pinst);
}

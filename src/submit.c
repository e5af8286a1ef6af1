/* SPDX-License-Identifier: MIT */

/* The two calls that a task passes through: padata_do_parallel() and padata_do_serial(). */

#include "instance.h"

#include <sched.h>

static bool reserve(struct padata_instance *pinst, uint64_t gate, uint64_t *seq, int *refusal)
{
	switch (pd_window_reserve(&pinst->window, gate, seq)) {
	case PD_RESERVED:
		*refusal = -EINPROGRESS;
		return true;
	case PD_STOPPED:
		*refusal = 0;
		return true;
	case PD_CHANGING:
		*refusal = -EBUSY;
		return true;
	case PD_FULL:
		*refusal = -EBUSY;
		return pd_room(pinst) == 0;
	case PD_AGAIN:
		break;
	}
	return false;
}

static int submit(struct padata_instance *pinst, struct padata_priv *task, int cb_cpu)
{
	uint64_t seq;
	int result;

	for (;;) {
		uint64_t gate = pd_window_gate(&pinst->window);

		if (gate & PD_GATE_STOPPED)
			return 0;
		if (gate & PD_GATE_CHANGING)
			return -EBUSY;
		if (!task || !task->parallel || !task->serial || !pd_instance_usable(pinst, cb_cpu))
			return -EINVAL;
		if (reserve(pinst, gate, &seq, &result))
			break;
	}
	if (result != -EINPROGRESS)
		return result;

	task->padata_private.instance = pinst;
	task->padata_private.seq = seq;
	task->padata_private.cb_cpu = cb_cpu;
	pd_task_set_state(task, PD_TASK_SUBMITTED);
	pd_window_publish(&pinst->window, seq, task);
	/* From here on the task may have completed; the instance is kept by our guard. */
	pd_barrier_light();
	if (pd_unlikely(pd_crew_lacks_searcher(&pinst->crew)))
		pd_lane_call(pinst, sched_getcpu());
	if (pd_unlikely(atomic_load_explicit(&pinst->room_fd, memory_order_relaxed) >= 0) && pd_room(pinst) == 0)
		pd_room_fd_update(pinst);
	return -EINPROGRESS;
}

PD_EXPORT int padata_do_parallel(struct padata_instance *pinst, struct padata_priv *padata, int cb_cpu)
{
	int result;

	if (!pinst)
		return -EINVAL;
	if (pd_unlikely(pd_instance_inherited(pinst)))
		return -ENODEV;
	pd_guard_enter(PD_IN_CALL, pinst, 0);
	result = submit(pinst, padata, cb_cpu);
	pd_guard_leave(PD_IN_CALL);
	return result;
}

PD_EXPORT void padata_do_serial(struct padata_priv *padata)
{
	struct padata_instance *pinst;
	uint64_t seq;

	if (!padata)
		pd_die("padata_do_serial: called with NULL");
	if (pd_unlikely(pd_task_state(padata) != PD_TASK_RUNNING))
		pd_die("padata_do_serial: task %p %s", (void *)padata,
		       pd_task_state(padata) == PD_TASK_FINISHED ? "was finished already: a second call" :
								   "is not in parallel(): never submitted, or completed");
	pinst = padata->padata_private.instance;
	if (pd_unlikely(pd_instance_inherited(pinst)))
		return;
	seq = padata->padata_private.seq;
	pd_guard_enter(PD_IN_CALL, pinst, 0);
	pd_task_set_state(padata, PD_TASK_FINISHED);
	switch (pd_window_done(&pinst->window, seq)) {
	case PD_DONE:
		break;
	case PD_TOKEN:
		pd_lane_deliver(pinst, seq);
		break;
	case PD_TWICE:
		pd_die("padata_do_serial: task %p was finished already: two calls at once", (void *)padata);
	}
	pd_guard_leave(PD_IN_CALL);
}

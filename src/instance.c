/* SPDX-License-Identifier: MIT */

/* The life of an instance: made, started, stopped, resized, freed. */

#include "debug.h"
#include "instance.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const unsigned int window_max = 1u << 30;

static void release(struct padata_instance *pinst)
{
	unsigned int lanes = pd_instance_lanes(pinst);
	int fd = atomic_load_explicit(&pinst->room_fd, memory_order_relaxed);

	for (unsigned int i = 0; i < lanes; i++)
		pd_lane_free(pinst->lane_list[i]);
	if (fd >= 0)
		close(fd);
	pthread_mutex_destroy(&pinst->room_lock);
	pthread_mutex_destroy(&pinst->change_lock);
	pd_crew_destroy(&pinst->crew);
	pd_window_destroy(&pinst->window);
	free(pinst->stall); /* there only in the child of a fork, where its thread is not */
	free(pinst->usable);
	free(pinst->lane_list);
	free((void *)pinst->lanes);
	free(pinst);
}

/* Everything but the lanes; NULL when memory is short. */
static struct padata_instance *make(struct workqueue_struct *wq)
{
	struct padata_instance *pinst = aligned_alloc(PD_CACHE_LINE, sizeof(*pinst));

	if (!pinst)
		return NULL;
	memset(pinst, 0, sizeof(*pinst));
	pinst->wq = wq;
	pinst->generation = pd_generation();
	atomic_init(&pinst->size, PADATA_DEFAULT_WINDOW);
	atomic_init(&pinst->room_fd, -1);
	atomic_init(&pinst->seldom_cpu, -1);
	pthread_mutex_init(&pinst->change_lock, NULL);
	pthread_mutex_init(&pinst->room_lock, NULL);
	pinst->lanes = calloc(nr_cpu_ids, sizeof(*pinst->lanes));
	pinst->lane_list = calloc(nr_cpu_ids, sizeof(*pinst->lane_list));
	pinst->usable =
	    calloc((nr_cpu_ids + PADATA_BITS_PER_LONG - 1) / PADATA_BITS_PER_LONG, sizeof(*pinst->usable));
	if (!pinst->lanes || !pinst->lane_list || !pinst->usable || pd_crew_init(&pinst->crew, nr_cpu_ids) ||
	    pd_window_init(&pinst->window, PADATA_DEFAULT_WINDOW, 0)) {
		release(pinst);
		return NULL;
	}
	return pinst;
}

PD_EXPORT struct padata_instance *padata_alloc(const struct cpumask *cpumask, struct workqueue_struct *wq)
{
	struct padata_instance *pinst;
	struct cpumask usable;
	int error;

	if (!cpumask || !wq) {
		errno = EINVAL;
		return NULL;
	}
	if (pd_workqueue_inherited(wq)) {
		errno = ENODEV;
		return NULL;
	}
	pinst = make(wq);
	if (!pinst) {
		errno = ENOMEM;
		return NULL;
	}
	error = pd_mask_prepare_locked(pinst, cpumask, &usable);
	if (error) {
		release(pinst);
		errno = -error;
		return NULL;
	}
	pd_mask_apply_locked(pinst, cpumask, &usable);
	pd_debug_watch(pinst);
	return pinst;
}

PD_EXPORT void padata_free(struct padata_instance *pinst)
{
	if (!pinst)
		return;
	if (!pd_instance_inherited(pinst)) {
		if (pd_lane_self && pd_lane_self->instance == pinst)
			pd_die("padata_free: called from a callback of the instance, which it would wait for "
			       "for ever");
		pd_lane_lend();
		pthread_mutex_lock(&pinst->change_lock);
		pd_quiesce_locked(pinst, PD_GATE_STOPPED);
		/* Again: a callback may have started it meanwhile; who waits for room is to hear that there
		 * is none. */
		atomic_fetch_or_explicit(&pinst->window.gate, PD_GATE_STOPPED, memory_order_relaxed);
		pthread_mutex_unlock(&pinst->change_lock);
		pd_room_wake(pinst);
		pd_debug_unwatch(pinst);
		pd_guard_wait(pinst, true);
		pd_lane_reclaim();
	}
	release(pinst);
}

PD_EXPORT void padata_start(struct padata_instance *pinst)
{
	if (!pinst || pd_instance_inherited(pinst))
		return;
	/*
	 * Relaxed: it publishes nothing, and as a read-modify-write it hands on what the gate's opener
	 * published. No guard: it is the last that is touched.
	 */
	atomic_fetch_and_explicit(&pinst->window.gate, ~(uint64_t)PD_GATE_STOPPED, memory_order_relaxed);
}

PD_EXPORT void padata_stop(struct padata_instance *pinst)
{
	if (!pinst || pd_instance_inherited(pinst))
		return;
	pd_guard_enter(PD_IN_CALL, pinst, 0);
	/* Relaxed: as in padata_start(). */
	atomic_fetch_or_explicit(&pinst->window.gate, PD_GATE_STOPPED, memory_order_relaxed);
	pd_room_wake(pinst);
	pd_guard_leave(PD_IN_CALL);
}

static bool is_idle_locked(struct padata_instance *pinst)
{
	return pd_window_gate(&pinst->window) & PD_GATE_STOPPED && !pd_outstanding(pinst);
}

static int resize_queues(struct padata_instance *pinst, unsigned int tasks)
{
	unsigned int lanes = pd_instance_lanes(pinst);
	int error = 0;

	for (unsigned int i = 0; i < lanes && !error; i++)
		error = pd_serialq_resize(&pinst->lane_list[i]->serialq, tasks);
	return error;
}

/* A serial queue may stay larger than the window, but not be smaller. */
static int resize_all(struct padata_instance *pinst, unsigned int tasks)
{
	bool grows = tasks > atomic_load_explicit(&pinst->size, memory_order_relaxed);
	int error = grows ? resize_queues(pinst, tasks) : 0;

	if (!error)
		error = pd_window_resize(&pinst->window, tasks);
	if (!error && !grows)
		resize_queues(pinst, tasks);
	return error;
}

static int resize_locked(struct padata_instance *pinst, unsigned int tasks)
{
	int error = -EBUSY;

	if (!is_idle_locked(pinst))
		return -EBUSY;
	pd_quiesce_locked(pinst, 0);
	/* It may have been started, and used, until the gate was shut: then it is too late. */
	if (is_idle_locked(pinst)) {
		error = resize_all(pinst, tasks);
		if (!error)
			atomic_store_explicit(&pinst->size, tasks, memory_order_relaxed);
	}
	pd_resume_locked(pinst);
	return error;
}

PD_EXPORT int padata_set_window(struct padata_instance *pinst, unsigned int tasks)
{
	int error;

	if (tasks == 0 || tasks > window_max)
		return -EINVAL;
	error = pd_enter_to_sleep(pinst);
	/* A callback of the instance has a task outstanding: its own. */
	if (error)
		return error == -EDEADLK ? -EBUSY : error;
	pthread_mutex_lock(&pinst->change_lock);
	error = resize_locked(pinst, tasks);
	pthread_mutex_unlock(&pinst->change_lock);
	pd_leave_from_sleep();
	return error;
}

PD_EXPORT unsigned int padata_get_window(struct padata_instance *pinst)
{
	return pinst ? atomic_load_explicit(&pinst->size, memory_order_relaxed) : 0;
}

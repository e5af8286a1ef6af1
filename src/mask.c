/* SPDX-License-Identifier: MIT */

/*
 * Which CPUs an instance runs on: changed by its user, atomically; and followed when the process gains
 * or loses some.
 */

#include "cpumask.h"
#include "instance.h"

#include <stdlib.h>

static const uint64_t look_interval_ns = 250000000;

static struct pd_lane *add_lane(struct padata_instance *pinst, int cpu)
{
	struct pd_lane *lane = pd_instance_lane(pinst, cpu);
	unsigned int count = pd_instance_lanes(pinst);
	struct pd_worker *worker;

	if (lane)
		return lane;
	worker = pd_worker_get(pinst->wq, cpu);
	if (!worker)
		return NULL;
	lane = pd_lane_alloc(pinst, worker, cpu);
	if (!lane) {
		errno = ENOMEM;
		return NULL;
	}
	pinst->lane_list[count] = lane;
	/* Release, both: pair with the acquires in pd_instance_lanes() and pd_instance_lane(), see there. */
	atomic_store_explicit(&pinst->lane_count, count + 1, memory_order_release);
	atomic_store_explicit(&pinst->lanes[cpu], lane, memory_order_release);
	return lane;
}

int pd_mask_prepare_locked(struct padata_instance *pinst, const struct cpumask *mask, struct cpumask *usable)
{
	unsigned int cpu;

	pd_cpumask_active(usable);
	cpumask_and(usable, usable, mask);
	for_each_cpu(cpu, usable) {
		if (add_lane(pinst, (int)cpu))
			continue;
		/* The process lost the CPU this moment. */
		if (errno == EINVAL)
			cpumask_clear_cpu((int)cpu, usable);
		else
			return -errno;
	}
	return 0;
}

static void set_usable(struct padata_instance *pinst, unsigned int cpu, bool usable)
{
	unsigned long bit = 1UL << (cpu % PADATA_BITS_PER_LONG);
	atomic_ulong *word = &pinst->usable[cpu / PADATA_BITS_PER_LONG];

	if (pd_instance_usable(pinst, (int)cpu) == usable)
		return;
	/*
	 * Release: pairs with the acquire in pd_instance_usable(), see there. Relaxed, the others: hints to
	 * producers and lanes; a change by the user is ordered by the gate.
	 */
	if (usable)
		atomic_fetch_or_explicit(word, bit, memory_order_release);
	else
		atomic_fetch_and_explicit(word, ~bit, memory_order_relaxed);
	atomic_store_explicit(&pd_instance_lane(pinst, (int)cpu)->usable, usable, memory_order_relaxed);
	atomic_fetch_add_explicit(&pinst->usable_count, usable ? 1 : -1u, memory_order_relaxed);
}

void pd_mask_apply_locked(struct padata_instance *pinst, const struct cpumask *mask,
			  const struct cpumask *usable)
{
	unsigned int lanes = pd_instance_lanes(pinst);

	cpumask_copy(&pinst->cpumask, mask);
	pd_crew_clear(&pinst->crew);
	atomic_store_explicit(&pinst->has_absentee, false, memory_order_relaxed);
	for (unsigned int i = 0; i < lanes; i++) {
		struct pd_lane *lane = pinst->lane_list[i];
		bool is_usable = cpumask_test_cpu(lane->cpu, usable);

		set_usable(pinst, (unsigned int)lane->cpu, is_usable);
		atomic_store_explicit(&lane->absent, !is_usable, memory_order_relaxed);
		if (!is_usable)
			continue;
		pd_worker_pin(lane->worker);
		pd_crew_add(&pinst->crew, (unsigned int)lane->cpu);
	}
}

/* Lanes that left the crew join it again: those whose CPU is usable, or all while none is. */
static void join_absent(struct padata_instance *pinst)
{
	unsigned int lanes = pd_instance_lanes(pinst);
	bool none = !atomic_load_explicit(&pinst->usable_count, memory_order_relaxed);

	for (unsigned int i = 0; i < lanes; i++) {
		struct pd_lane *lane = pinst->lane_list[i];

		if (!none && !atomic_load_explicit(&lane->usable, memory_order_relaxed))
			continue;
		/* Acquire: pairs with the release in leave(), see there. */
		if (atomic_exchange_explicit(&lane->absent, false, memory_order_acquire))
			pd_lane_summon(lane);
	}
}

void pd_mask_look(struct padata_instance *pinst, uint64_t now)
{
	uint64_t looked = atomic_load_explicit(&pinst->looked, memory_order_relaxed);
	struct cpumask active;
	unsigned int cpu;

	if (pd_likely(now < looked + look_interval_ns))
		return;
	if (pthread_mutex_trylock(&pinst->change_lock))
		return;
	atomic_store_explicit(&pinst->looked, pd_now(), memory_order_relaxed);
	pd_cpumask_active(&active);
	for_each_cpu(cpu, &pinst->cpumask) {
		bool usable = cpumask_test_cpu((int)cpu, &active);
		/* A worker that can't be started now leaves the CPU unused until the next look. */
		struct pd_lane *lane = usable ? add_lane(pinst, (int)cpu) : pd_instance_lane(pinst, (int)cpu);

		if (!lane)
			continue;
		set_usable(pinst, cpu, usable);
		if (usable)
			pd_worker_pin(lane->worker);
	}
	/* Pairs with the fence in leave(), see there. */
	atomic_thread_fence(memory_order_seq_cst);
	join_absent(pinst);
	pthread_mutex_unlock(&pinst->change_lock);
}

enum change { SET, ADD, REMOVE };

static int change_locked(struct padata_instance *pinst, enum change change, const struct cpumask *given,
			 int cpu)
{
	struct cpumask *mask = malloc(2 * sizeof(*mask));
	struct cpumask *usable = mask + 1;
	int error;

	if (!mask)
		return -ENOMEM;
	cpumask_copy(mask, change == SET ? given : &pinst->cpumask);
	if (change == ADD)
		cpumask_set_cpu((unsigned int)cpu, mask);
	else if (change == REMOVE)
		cpumask_clear_cpu(cpu, mask);
	error = pd_mask_prepare_locked(pinst, mask, usable);
	if (!error) {
		pd_quiesce_locked(pinst, 0);
		/* First, so that nobody who counts finds one outstanding. */
		atomic_fetch_add_explicit(&pinst->skipped, 1, memory_order_relaxed);
		pd_window_skip(&pinst->window);
		pd_mask_apply_locked(pinst, mask, usable);
		pd_resume_locked(pinst);
	}
	free(mask);
	return error;
}

static int change_mask(struct padata_instance *pinst, enum change change, const struct cpumask *given,
		       int cpu)
{
	int error = pd_enter_to_sleep(pinst);

	if (error)
		return error;
	pthread_mutex_lock(&pinst->change_lock);
	error = change_locked(pinst, change, given, cpu);
	pthread_mutex_unlock(&pinst->change_lock);
	pd_leave_from_sleep();
	return error;
}

PD_EXPORT int padata_set_cpumask(struct padata_instance *pinst, cpumask_var_t cpumask)
{
	return pinst && cpumask ? change_mask(pinst, SET, cpumask, 0) : -EINVAL;
}

static int change_cpu(struct padata_instance *pinst, enum change change, int cpu)
{
	if (!pinst || cpu < 0 || (unsigned int)cpu >= nr_cpu_ids)
		return -EINVAL;
	return change_mask(pinst, change, NULL, cpu);
}

PD_EXPORT int padata_add_cpu(struct padata_instance *pinst, int cpu)
{
	return change_cpu(pinst, ADD, cpu);
}

PD_EXPORT int padata_remove_cpu(struct padata_instance *pinst, int cpu)
{
	return change_cpu(pinst, REMOVE, cpu);
}

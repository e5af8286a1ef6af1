/* SPDX-License-Identifier: MIT */
#include "stream_cpus.h"
#include "stream_say.h"

#include <errno.h>
#include <string.h>

cpumask_var_t cpus_parse(const char *list)
{
	cpumask_var_t mask;
	if (!zalloc_cpumask_var(&mask, GFP_KERNEL))
		die("out of memory");
	if (list && cpulist_parse(list, mask) != 0)
		die("--cpus %s: a list such as 0-3,8 of CPUs that the machine has", list);
	if (!list)
		cpumask_copy(mask, cpu_active_mask);
	else if (!cpumask_and(mask, mask, cpu_active_mask))
		die("--cpus %s: none of them may be used here", list);
	return mask;
}

unsigned int cpus_jobs(const struct options *o, unsigned int cpus)
{
	/* Some more, so that no CPU is idle while commands that have ended are being replaced. */
	if (!o->jobs)
		return cpus + cpus / 2 + 1;
	if (!o->jobs_in_percent)
		return o->jobs;
	unsigned int jobs = (unsigned int)((unsigned long long)o->jobs * cpus / 100);
	return jobs ? jobs : 1;
}

int cpus_parse_live(const char *list, cpumask_var_t *mask)
{
	if (!zalloc_cpumask_var(mask, GFP_KERNEL))
		return -ENOMEM;
	int error = cpulist_parse(list, *mask);
	if (!error && !cpumask_and(*mask, *mask, cpu_active_mask))
		error = -EINVAL;
	if (error)
		free_cpumask_var(*mask);
	return error;
}

static void set_from(struct cpus *cpus, const struct cpumask *mask)
{
	unsigned int cpu;
	pthread_mutex_lock(&cpus->mutex);
	CPU_ZERO_S(cpus->size, cpus->set);
	for_each_cpu(cpu, mask)
		CPU_SET_S(cpu, cpus->size, cpus->set);
	pthread_mutex_unlock(&cpus->mutex);
}

int cpus_change(struct cpus *cpus, struct cpumask *mask)
{
	int error = padata_set_cpumask(cpus->pinst, mask);
	if (!error)
		set_from(cpus, mask);
	return error;
}

void cpus_get(struct cpus *cpus, cpu_set_t *set)
{
	pthread_mutex_lock(&cpus->mutex);
	memcpy(set, cpus->set, cpus->size);
	pthread_mutex_unlock(&cpus->mutex);
}

void cpus_open(struct cpus *cpus, const struct cpumask *mask, unsigned int window)
{
	pthread_mutex_init(&cpus->mutex, NULL);
	cpus->size = CPU_ALLOC_SIZE(nr_cpu_ids);
	cpus->set = CPU_ALLOC(nr_cpu_ids);
	if (!cpus->set)
		die("out of memory");
	set_from(cpus, mask);
	atomic_store(&cpus->cb_cpu, (int)cpumask_first(mask));
	cpus->wq = alloc_workqueue("padata", 0, 0);
	cpus->pinst = cpus->wq ? padata_alloc(mask, cpus->wq) : NULL;
	if (!cpus->pinst || padata_set_window(cpus->pinst, window) != 0)
		die("cannot start the workers: %s", strerror(errno));
	padata_start(cpus->pinst);
}

void cpus_close(struct cpus *cpus)
{
	padata_free(cpus->pinst);
	destroy_workqueue(cpus->wq);
	CPU_FREE(cpus->set);
	pthread_mutex_destroy(&cpus->mutex);
}

int cpus_first(struct cpus *cpus)
{
	cpumask_var_t mask;
	int cpu = atomic_load(&cpus->cb_cpu);
	if (!zalloc_cpumask_var(&mask, GFP_KERNEL))
		return cpu;
	pthread_mutex_lock(&cpus->mutex);
	for (unsigned int i = 0; i < nr_cpu_ids; i++) {
		if (CPU_ISSET_S(i, cpus->size, cpus->set))
			cpumask_set_cpu(i, mask);
	}
	pthread_mutex_unlock(&cpus->mutex);
	if (cpumask_and(mask, mask, cpu_active_mask))
		cpu = (int)cpumask_first(mask);
	free_cpumask_var(mask);
	return cpu;
}

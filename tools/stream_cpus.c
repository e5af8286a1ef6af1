/* SPDX-License-Identifier: MIT */
#include "stream_cpus.h"
#include "stream_say.h"

#include <errno.h>
#include <stdlib.h>
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
	/* One more, so that no CPU is idle while a command that has ended is being replaced. */
	if (!o->jobs)
		return cpus + 1;
	if (!o->jobs_in_percent)
		return o->jobs;
	unsigned int jobs = (unsigned int)((unsigned long long)o->jobs * cpus / 100);
	return jobs ? jobs : 1;
}

static void set_child_cpus(struct run *run, const struct cpumask *mask)
{
	unsigned int cpu;
	CPU_ZERO_S(run->child_cpus_size, run->child_cpus);
	for_each_cpu(cpu, mask)
		CPU_SET_S(cpu, run->child_cpus_size, run->child_cpus);
}

/* As many tasks as the memory can hold jobs; so many are outstanding when the first one takes long. */
static unsigned int window(const struct run *run)
{
	size_t tasks = run->memory.limit / JOB_CHARGE / 2;
	return tasks > 65536 ? 65536 : tasks < 64 ? 64 : (unsigned int)tasks;
}

int cpus_change(struct run *run, const char *list)
{
	cpumask_var_t mask;
	if (!zalloc_cpumask_var(&mask, GFP_KERNEL))
		return -ENOMEM;
	int error = cpulist_parse(list, mask);
	if (!error && !cpumask_and(mask, mask, cpu_active_mask))
		error = -EINVAL;
	if (!error) {
		pthread_mutex_lock(&run->mutex);
		set_child_cpus(run, mask);
		run->slots = cpus_jobs(run->o, cpumask_weight(mask));
		pthread_mutex_unlock(&run->mutex);
		error = padata_set_cpumask(run->pinst, mask);
	}
	free_cpumask_var(mask);
	if (!error)
		run_submit(run);
	return error;
}

void cpus_of_children(struct run *run, cpu_set_t *set)
{
	pthread_mutex_lock(&run->mutex);
	memcpy(set, run->child_cpus, run->child_cpus_size);
	pthread_mutex_unlock(&run->mutex);
}

void cpus_open(struct run *run)
{
	cpumask_var_t mask = cpus_parse(run->o->cpus);
	run->child_cpus_size = CPU_ALLOC_SIZE(nr_cpu_ids);
	run->child_cpus = CPU_ALLOC(nr_cpu_ids);
	if (!run->child_cpus)
		die("out of memory");
	set_child_cpus(run, mask);
	run->slots = cpus_jobs(run->o, cpumask_weight(mask));
	atomic_store(&run->cb_cpu, (int)cpumask_first(mask));
	run->wq = alloc_workqueue("padata", 0, 0);
	run->pinst = run->wq ? padata_alloc(mask, run->wq) : NULL;
	if (!run->pinst || padata_set_window(run->pinst, window(run)) != 0)
		die("cannot start the workers: %s", strerror(errno));
	free_cpumask_var(mask);
	padata_start(run->pinst);
}

void cpus_close(struct run *run)
{
	padata_free(run->pinst);
	destroy_workqueue(run->wq);
	CPU_FREE(run->child_cpus);
}

int cpus_first(struct run *run)
{
	cpumask_var_t mask;
	int cpu = atomic_load(&run->cb_cpu);
	if (!zalloc_cpumask_var(&mask, GFP_KERNEL))
		return cpu;
	for (unsigned int i = 0; i < nr_cpu_ids; i++) {
		if (CPU_ISSET_S(i, run->child_cpus_size, run->child_cpus))
			cpumask_set_cpu(i, mask);
	}
	if (cpumask_and(mask, mask, cpu_active_mask))
		cpu = (int)cpumask_first(mask);
	free_cpumask_var(mask);
	return cpu;
}

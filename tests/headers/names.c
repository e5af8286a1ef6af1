/* SPDX-License-Identifier: MIT */
/* Every name that the contract lists, by the kernel's signature, and what user space has beyond it. */

#include <padata.h>

struct embedded {
	long first;
	struct work_struct work;
};

static void run(struct work_struct *work)
{
	struct embedded *e = container_of(work, struct embedded, work);

	e->first++;
}

int names(struct embedded *e);

int names(struct embedded *e)
{
	static struct cpumask x, y;
	struct workqueue_struct *(*alloc)(const char *, unsigned int, int, ...) = alloc_workqueue;
	struct workqueue_struct *(*create)(const char *) = create_workqueue;
	void (*destroy)(struct workqueue_struct *) = destroy_workqueue;
	void (*flush)(struct workqueue_struct *) = flush_workqueue;
	bool (*queue)(struct workqueue_struct *, struct work_struct *) = queue_work;
	bool (*queue_on)(int, struct workqueue_struct *, struct work_struct *) = queue_work_on;
	bool (*get)(cpumask_var_t *, gfp_t) = alloc_cpumask_var;
	bool (*zget)(cpumask_var_t *, gfp_t) = zalloc_cpumask_var;
	void (*put)(cpumask_var_t) = free_cpumask_var;
	bool (*both)(struct cpumask *, const struct cpumask *, const struct cpumask *) = cpumask_and;
	void (*either)(struct cpumask *, const struct cpumask *, const struct cpumask *) = cpumask_or;
	bool (*without)(struct cpumask *, const struct cpumask *, const struct cpumask *) = cpumask_andnot;
	bool (*equal)(const struct cpumask *, const struct cpumask *) = cpumask_equal;
	bool (*subset)(const struct cpumask *, const struct cpumask *) = cpumask_subset;
	bool (*empty)(const struct cpumask *) = cpumask_empty;
	unsigned int (*weight)(const struct cpumask *) = cpumask_weight;
	unsigned int (*first)(const struct cpumask *) = cpumask_first;
	unsigned int (*next)(int, const struct cpumask *) = cpumask_next;
	void (*set)(unsigned int, struct cpumask *) = cpumask_set_cpu;
	void (*unset)(int, struct cpumask *) = cpumask_clear_cpu;
	bool (*test)(int, const struct cpumask *) = cpumask_test_cpu;
	const struct cpumask *(*of)(int) = cpumask_of;
	int (*list)(const char *, struct cpumask *) = cpulist_parse;
	int (*hex)(const char *, struct cpumask *) = cpumask_parse;
	int (*print)(char *, size_t, const struct cpumask *) = padata_cpulist_print;
	int (*batch)(struct padata_instance *, struct padata_priv *const *, unsigned int, int) = padata_do_parallel_batch;
	int (*from)(struct padata_instance *, struct padata_source *) = padata_pull;
	int (*set_window)(struct padata_instance *, unsigned int) = padata_set_window;
	unsigned int (*get_window)(struct padata_instance *) = padata_get_window;
	int (*wait)(struct padata_instance *) = padata_wait_room;
	int (*fd)(struct padata_instance *) = padata_room_fd;
	int (*all)(struct padata_instance *) = padata_flush;
	int cpu, n = 0;

	INIT_WORK(&e->work, run);
	cpumask_clear(&x);
	cpumask_setall(&y);
	cpumask_copy(&x, &y);
	for_each_cpu(cpu, cpu_possible_mask)
		n++;
	for_each_cpu(cpu, cpu_online_mask)
		n++;
	n += (unsigned int)n > nr_cpu_ids;
	return n + (alloc && create && destroy && flush && queue && queue_on && get && zget && put && both && either &&
		    without && equal && subset && empty && weight && first && next && set && unset && test && of &&
		    list && hex && print && batch && from && set_window && get_window && wait && fd && all && sizeof(struct padata_priv) <= 64);
}

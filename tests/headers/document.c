/* SPDX-License-Identifier: MIT */
/* The document's own text, as C: its declarations unchanged, and its words put to use. */

#include <linux/padata.h>

struct padata_instance *padata_alloc(const struct cpumask *cpumask,
				     struct workqueue_struct *wq);

void padata_start(struct padata_instance *pinst);
void padata_stop(struct padata_instance *pinst);

int padata_set_cpumask(struct padata_instance *pinst,
		       cpumask_var_t cpumask);
int padata_add_cpu(struct padata_instance *pinst, int cpu);
int padata_remove_cpu(struct padata_instance *pinst, int cpu);

int padata_do_parallel(struct padata_instance *pinst,
		       struct padata_priv *padata, int cb_cpu);

void padata_do_serial(struct padata_priv *padata);

void padata_free(struct padata_instance *pinst);

/* "almost certainly embedded within some larger structure specific to the work to be done" */
struct work {
	int input, result;
	struct padata_priv padata;
};

/* "obtained by using container_of() to find the enclosing structure" */
static void work_parallel(struct padata_priv *padata)
{
	struct work *work = container_of(padata, struct work, padata);

	work->result = work->input + 1;
	padata_do_serial(padata);
}

static void work_serial(struct padata_priv *padata)
{
	struct work *work = container_of(padata, struct work, padata);

	work->input = 0;
}

int use(struct work *work, int cb_cpu);

int use(struct work *work, int cb_cpu)
{
	struct workqueue_struct *wq = create_workqueue("padata");
	struct padata_instance *pinst;
	cpumask_var_t mask;
	unsigned int cpus = 0;
	int cpu, err;

	if (!wq || !alloc_cpumask_var(&mask, GFP_KERNEL))
		return -ENOMEM;
	cpumask_copy(mask, cpu_possible_mask);
	cpumask_and(mask, mask, cpu_active_mask);
	for_each_cpu(cpu, mask)
		cpus += cpumask_test_cpu(cpu, cpu_online_mask) && (unsigned int)cpu < nr_cpu_ids;
	pinst = padata_alloc(mask, wq);
	if (!pinst)
		return -ENOMEM;
	padata_start(pinst);

	work->padata.parallel = work_parallel;
	work->padata.serial = work_serial;
	err = padata_do_parallel(pinst, &work->padata, cb_cpu);
	switch (err) {
	case 0: /* "the caller forgot the padata_start() formalities" */
	case -EBUSY:
	case -EINVAL:
	case -EINPROGRESS:
		break;
	}
	if (!padata_set_cpumask(pinst, mask) && !padata_add_cpu(pinst, cb_cpu) && !padata_remove_cpu(pinst, cb_cpu))
		padata_stop(pinst);
	padata_free(pinst);
	flush_workqueue(wq);
	destroy_workqueue(wq);
	free_cpumask_var(mask);
	return (int)cpus + err;
}

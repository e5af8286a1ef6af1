/* SPDX-License-Identifier: MIT */
/* A program that finds padata by pkg-config, in C and in C++: a thousand squares, in order. */

#include <linux/padata.h>
#include <padata.h>
#include <stdio.h>
#include <string.h>

struct square {
	struct padata_priv padata;
	int number, result;
};

static int next, wrong;

static void parallel(struct padata_priv *padata)
{
	struct square *s = container_of(padata, struct square, padata);

	s->result = s->number * s->number;
	padata_do_serial(padata);
}

static void serial(struct padata_priv *padata)
{
	struct square *s = container_of(padata, struct square, padata);

	wrong += s->number != next || s->result != next * next;
	next++;
}

int main(void)
{
	static struct square squares[1000];
	struct workqueue_struct *wq = create_workqueue("consumer");
	struct padata_instance *inst = wq ? padata_alloc(cpu_active_mask, wq) : NULL;

	if (!inst)
		return 2;
	padata_start(inst);
	for (int i = 0; i < 1000; i++) {
		squares[i].number = i;
		squares[i].padata.parallel = parallel;
		squares[i].padata.serial = serial;
		if (padata_do_parallel(inst, &squares[i].padata, (int)cpumask_first(cpu_active_mask)) != -EINPROGRESS)
			return 3;
	}
	padata_free(inst);
	destroy_workqueue(wq);
	printf("%d in order, %d wrong\n", next, wrong);
	return next != 1000 || wrong;
}

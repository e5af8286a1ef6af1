/* SPDX-License-Identifier: MIT */
#include <padata.h>
#include <stdio.h>
#include <stdlib.h>

struct number {
	struct padata_priv padata;
	unsigned long long value;
	char factors[256];
};

static void factor(struct padata_priv *padata) /* on any CPU, many at once */
{
	struct number *n = container_of(padata, struct number, padata);
	char *end = n->factors;

	for (unsigned long long p = 2, rest = n->value; rest > 1; p = p > rest / p ? rest : p + 1)
		for (; rest % p == 0; rest /= p)
			end += sprintf(end, " %llu", p);
	padata_do_serial(padata);
}

static void print(struct padata_priv *padata) /* one at a time, in order */
{
	struct number *n = container_of(padata, struct number, padata);

	printf("%llu:%s\n", n->value, n->factors);
	free(n);
}

int main(void)
{
	struct workqueue_struct *wq = create_workqueue("factor");
	struct padata_instance *pinst = padata_alloc(cpu_active_mask, wq);
	int cb_cpu = (int)cpumask_first(cpu_active_mask), err = -EINPROGRESS;
	struct number *n, next = {.padata = {.parallel = factor, .serial = print}};

	padata_start(pinst);
	while (err == -EINPROGRESS && scanf("%llu", &next.value) == 1 && (n = malloc(sizeof(*n)))) {
		*n = next;
		while ((err = padata_do_parallel(pinst, &n->padata, cb_cpu)) == -EBUSY)
			padata_wait_room(pinst);
	}
	padata_free(pinst); /* returns when all have been printed */
	destroy_workqueue(wq);
	return !feof(stdin) || err != -EINPROGRESS;
}

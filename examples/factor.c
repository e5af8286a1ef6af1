/* SPDX-License-Identifier: MIT */
/* factor(1) on every CPU: reads numbers, prints the prime factors of each, in the order of the input. */
#include <padata.h>
#include <stdio.h>
#include <stdlib.h>

struct number {
	struct padata_priv padata;
	unsigned long long value, factors[64]; /* at most 63, then 0 */
};

static void factor(struct padata_priv *padata) /* on any CPU, at the same time as others */
{
	struct number *n = container_of(padata, struct number, padata);
	unsigned long long rest = n->value, *next = n->factors;

	for (unsigned long long p = 2; rest > 1; p = p > rest / p ? rest : p + 1)
		for (; rest % p == 0; rest /= p)
			*next++ = p;
	padata_do_serial(padata);
}

static void print(struct padata_priv *padata) /* one at a time, in order */
{
	struct number *n = container_of(padata, struct number, padata);

	printf("%llu:", n->value);
	for (unsigned long long *p = n->factors; *p; p++)
		printf(" %llu", *p);
	putchar('\n');
	free(n);
}

int main(void)
{
	struct workqueue_struct *wq = create_workqueue("factor");
	struct padata_instance *pinst = padata_alloc(cpu_active_mask, wq);
	int cb_cpu = (int)cpumask_first(cpu_active_mask), err;
	unsigned long long value;

	if (!pinst)
		return perror("padata_alloc"), 1;
	padata_start(pinst);
	while (scanf("%llu", &value) == 1) {
		struct number *n = malloc(sizeof(*n));

		if (!n)
			abort();
		*n = (struct number){ .padata = { .parallel = factor, .serial = print }, .value = value };
		while ((err = padata_do_parallel(pinst, &n->padata, cb_cpu)) == -EBUSY)
			padata_wait_room(pinst);
		if (err != -EINPROGRESS)
			abort();
	}
	padata_free(pinst); /* returns when all have completed */
	destroy_workqueue(wq);
}

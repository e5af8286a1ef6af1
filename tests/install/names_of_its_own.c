/* SPDX-License-Identifier: MIT */
/* A program that uses the kernel's names for functions of its own, and padata for its work. */

#include <linux/padata.h>
#include <stdio.h>

/* The linker's names; the headers' aliases must not meet them. */
int own_calls;

__attribute__((visibility("default"))) int own_queue_work(void) __asm__("queue_work");
__attribute__((visibility("default"))) int own_cpumask_first(void) __asm__("cpumask_first");
__attribute__((visibility("default"))) int own_destroy_workqueue(void) __asm__("destroy_workqueue");
__attribute__((visibility("default"))) unsigned int own_nr_cpu_ids __asm__("nr_cpu_ids") = 12345;

int own_queue_work(void)
{
	return ++own_calls;
}

int own_cpumask_first(void)
{
	return ++own_calls;
}

int own_destroy_workqueue(void)
{
	return ++own_calls;
}

static int runs;

static void run(struct work_struct *work)
{
	(void)work;
	runs++;
}

int main(void)
{
	struct workqueue_struct *wq = create_workqueue("own");
	struct work_struct work;

	if (!wq || nr_cpu_ids == 12345)
		return 2;
	INIT_WORK(&work, run);
	queue_work_on((int)cpumask_first(cpu_active_mask), wq, &work);
	destroy_workqueue(wq);
	printf("%d run, %d own calls\n", runs, own_calls);
	return runs != 1 || own_calls != 0 || own_queue_work() != 1;
}

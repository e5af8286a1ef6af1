/* SPDX-License-Identifier: MIT */

/* What does the job cost one plain thread, with no library at all? */

#include "job.h"

static struct job_order order;

/* Two calls, as a library would make them. */
__attribute__((__noinline__)) static void parallel(struct job_item *item)
{
	item->value = job_work(item->value, job.loops);
}

__attribute__((__noinline__)) static void serial(struct job_item *item)
{
	job_take(&order, item);
}

int main(int argc, char **argv)
{
	struct job_item item = {0};

	job_options(argc, argv, NULL);
	job_begin();
	for (unsigned long i = 0; i < job.items; i++) {
		item.number = (unsigned int)i;
		item.value = i;
		parallel(&item);
		serial(&item);
	}
	job_end();
	job_report("plain", order.sum, "%s", "");
	return 0;
}

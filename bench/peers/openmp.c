/* SPDX-License-Identifier: MIT */

/* What does an item cost in an OpenMP loop with an ordered region, of chunks of --chunk items? */

#include "../job.h"

#include <stdio.h>

static struct job_order order;

int main(int argc, char **argv)
{
	unsigned long chunk = 1;
	const struct job_option options[] = {
		{"chunk", &chunk, NULL, "items that a thread takes at once"},
		{NULL, NULL, NULL, NULL},
	};
	char name[64];

	job_options(argc, argv, options);
	job_begin();
#pragma omp parallel for ordered schedule(dynamic, chunk) num_threads(2)
	for (unsigned long i = 0; i < job.items; i++) {
		struct job_item item = {.number = (unsigned int)i, .value = job_work(i, job.loops)};
#pragma omp ordered
		job_take(&order, &item);
	}
	job_end();
	snprintf(name, sizeof(name), "openmp-%lu", chunk);
	job_report(name, order.sum, ", \"chunk\": %lu", chunk);
	return 0;
}

/* SPDX-License-Identifier: MIT */

/* What does an item cost in oneTBB's parallel_pipeline, with two threads and as many tokens as the window? */

#include "../job.h"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_pipeline.h>

static job_order order;

int main(int argc, char **argv)
{
	job_options(argc, argv, nullptr);
	tbb::global_control threads(tbb::global_control::max_allowed_parallelism, 2);
	unsigned long items = job.window + 64, next = 0, given = 0;
	job_item *item = static_cast<job_item *>(job_memory(items * sizeof(*item)));

	auto source = [&](tbb::flow_control &control) -> job_item * {
		if (given == job.items) {
			control.stop();
			return nullptr;
		}
		job_item *one = &item[next];
		if (++next == items)
			next = 0;
		one->number = static_cast<unsigned int>(given);
		one->value = given++;
		return one;
	};
	auto parallel = [](job_item *one) {
		one->value = job_work(one->value, job.loops);
		return one;
	};
	auto serial = [](job_item *one) { job_take(&order, one); };

	job_begin();
	tbb::parallel_pipeline(job.window,
			       tbb::make_filter<void, job_item *>(tbb::filter_mode::serial_in_order, source) &
				       tbb::make_filter<job_item *, job_item *>(tbb::filter_mode::parallel, parallel) &
				       tbb::make_filter<job_item *, void>(tbb::filter_mode::serial_in_order, serial));
	job_end();
	job_report("tbb", order.sum, "%s", "");
	return 0;
}

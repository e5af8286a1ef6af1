/* SPDX-License-Identifier: MIT */

/* What does an item cost through a peer that takes items from its user's own thread? */

#include "../stream.h"

static struct job_order order;

void stream_serial(struct stream_item *item)
{
	job_take(&order, &item->item);
}

int main(int argc, char **argv)
{
	job_options(argc, argv, stream_options);
	unsigned long next = 0, items = job.window + 64;
	struct stream_item *item = job_memory(items * sizeof(*item));
	struct stream *stream = stream_open();

	job_begin();
	for (unsigned long i = 0; i < job.items; i++) {
		item[next].item.value = i;
		stream_put(stream, &item[next]);
		if (++next == items)
			next = 0;
	}
	stream_finish(stream);
	job_end();

	stream_close(stream);
	if (order.next != job.items)
		job_fail("items are missing", (long)(job.items - order.next));
	job_report(stream_name, order.sum, "%s", "");
	return 0;
}

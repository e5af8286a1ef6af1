/* SPDX-License-Identifier: MIT */

/* What CPU time does a process use that has eight streams open, each used once, and nothing to do? */

#include "stream.h"

#include <time.h>

#define STREAMS 8

void stream_serial(struct stream_item *item)
{
	(void)item;
}

static void rest(unsigned long ms)
{
	struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
	nanosleep(&time, NULL);
}

int main(int argc, char **argv)
{
	unsigned long ms = 2000;
	struct job_option options[16] = {{"ms", &ms, NULL, "how long to watch"}};
	for (int i = 0; stream_options[i].name; i++)
		options[1 + i] = stream_options[i];
	job_options(argc, argv, options);
	job.items = STREAMS;

	struct stream *stream[STREAMS];
	struct stream_item *item = job_memory(STREAMS * sizeof(*item));
	for (unsigned int i = 0; i < STREAMS; i++) {
		stream[i] = stream_open();
		stream_put(stream[i], &item[i]);
	}
	rest(500); /* whatever looks around before it sleeps has gone to sleep */
	job_begin();
	rest(ms);
	job_end();
	for (unsigned int i = 0; i < STREAMS; i++) {
		stream_finish(stream[i]);
		stream_close(stream[i]);
	}
	job_report(stream_name, 0ul, ", \"ms\": %lu, \"cpu_ms_a_minute\": %.3f", ms,
		   job_cost.cpu / 1e6 * 60000 / (double)ms);
	return 0;
}

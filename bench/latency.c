/* SPDX-License-Identifier: MIT */

/*
 * How long does a lone item take, from its submission to its serial stage, and
 * what CPU does that cost? One item each --gap ns; between items the producer
 * spins, as one that polls a device does, or sleeps, as one that a timer wakes.
 */

#include "stream.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

struct sample {
	struct stream_item item;
	unsigned long long begun, took;
} __attribute__((__aligned__(64)));

static struct job_order order[STREAM_ORDERS];
static struct sample *samples;

void stream_serial(struct stream_item *item)
{
	struct sample *sample = (void *)((char *)item - offsetof(struct sample, item));
	sample->took = job_now() - sample->begun;
	job_take(&order[item->item.order], &item->item);
}

static int compare(const void *a, const void *b)
{
	unsigned long long x = *(const unsigned long long *)a, y = *(const unsigned long long *)b;
	return (x > y) - (x < y);
}

static void wait_until(unsigned long long when, int sleeps)
{
	struct timespec at = {(time_t)(when / 1000000000), (long)(when % 1000000000)};
	if (sleeps)
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL))
			;
	else
		while (job_now() < when)
			;
}

int main(int argc, char **argv)
{
	const char *producer = "spin";
	unsigned long gap = 20000;
	struct job_option options[16] = {
		{"producer", NULL, &producer, "what it does between items: spin or sleep"},
		{"gap", &gap, NULL, "ns from one item to the next"},
	};
	for (int i = 0; stream_options[i].name; i++)
		options[2 + i] = stream_options[i];
	job.items = 50000;
	job_options(argc, argv, options);
	int sleeps = !strcmp(producer, "sleep");
	if (!sleeps && strcmp(producer, "spin"))
		job_fail("--producer takes spin or sleep", 0);

	samples = job_memory(job.items * sizeof(*samples));
	struct stream *stream = stream_open();
	/* A sleep is to end when it was asked to, not up to 50 us later. */
	prctl(PR_SET_TIMERSLACK, 1ul);
	job_begin();
	unsigned long long next = job_now();
	for (unsigned long i = 0; i < job.items; i++) {
		wait_until(next += gap, sleeps);
		samples[i].item.item.value = i;
		/* From when it is really submitted: how late the producer woke is not the library's doing. */
		samples[i].begun = job_now();
		/* A producer that fell behind does not catch up: no item is to find another before it. */
		if (samples[i].begun > next + gap)
			next = samples[i].begun;
		stream_put(stream, &samples[i].item);
	}
	stream_finish(stream);
	job_end();
	stream_close(stream);

	unsigned long long *took = job_memory(job.items * sizeof(*took));
	unsigned long sum = 0;
	for (unsigned long i = 0; i < job.items; i++)
		took[i] = samples[i].took;
	for (int i = 0; i < STREAM_ORDERS; i++)
		sum += order[i].sum;
	qsort(took, job.items, sizeof(*took), compare);
	job_report(stream_name, sum, ", \"producer\": \"%s\", \"gap\": %lu, \"p50\": %.2f, \"p99\": %.2f, "
		   "\"p999\": %.2f, \"max\": %.2f, \"cores\": %.3f", producer, gap,
		   (double)took[job.items / 2] / 1e3, (double)took[job.items * 99 / 100] / 1e3,
		   (double)took[job.items * 999 / 1000] / 1e3, (double)took[job.items - 1] / 1e3,
		   job_cost.cpu / job_cost.wall);
	return 0;
}

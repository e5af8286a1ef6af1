/* SPDX-License-Identifier: MIT */

/*
 * The stream of stream.h through nothing: one thread, which a futex wakes for each item. No parallelism, and no
 * choice of a CPU; but nothing that sleeps between items and hands them to another thread takes less.
 */

#include "stream.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct stream {
	pthread_t thread;
	_Atomic unsigned int given, taken; /* futexes: items, the first of which is number 0 */
	struct stream_item **items;
};

const char stream_name[] = "bare";
const struct job_option stream_options[] = {{NULL, NULL, NULL, NULL}};

/* Returns its value when it is no longer `old`. */
static unsigned int await(_Atomic unsigned int *word, unsigned int old)
{
	unsigned int now;

	while ((now = atomic_load_explicit(word, memory_order_acquire)) == old)
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
	return now;
}

static void set(_Atomic unsigned int *word, unsigned int value)
{
	atomic_store_explicit(word, value, memory_order_release);
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void *take_items(void *argument)
{
	struct stream *stream = argument;
	struct stream_item *item;

	for (unsigned int n = 0;;) {
		for (unsigned int given = await(&stream->given, n); n != given; n++) {
			item = stream->items[n % job.window];
			if (!item)
				return NULL;
			item->item.value = job_work(item->item.value, job.loops);
			stream_serial(item);
			atomic_store_explicit(&stream->taken, n + 1, memory_order_release);
		}
	}
}

struct stream *stream_open(void)
{
	struct stream *stream = job_memory(sizeof(*stream));

	stream->items = job_memory(job.window * sizeof(struct stream_item *));
	int error = pthread_create(&stream->thread, NULL, take_items, stream);
	if (error)
		job_fail("pthread_create", error);
	return stream;
}

static void give(struct stream *stream, struct stream_item *item)
{
	unsigned int n = atomic_load_explicit(&stream->given, memory_order_relaxed);

	while (n - atomic_load_explicit(&stream->taken, memory_order_acquire) == job.window)
		sched_yield();
	stream->items[n % job.window] = item;
	set(&stream->given, n + 1);
}

void stream_put(struct stream *stream, struct stream_item *item)
{
	item->item.number = atomic_load_explicit(&stream->given, memory_order_relaxed);
	give(stream, item);
}

void stream_finish(struct stream *stream)
{
	give(stream, NULL);
	pthread_join(stream->thread, NULL);
}

void stream_close(struct stream *stream)
{
	free(stream->items);
	free(stream);
}

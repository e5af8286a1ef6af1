/* SPDX-License-Identifier: MIT */

/* The stream of stream.h through htslib's thread pool: it keeps results in order, for a thread that takes them. */

#include "../stream.h"

#include <htslib/thread_pool.h>
#include <pthread.h>
#include <stdlib.h>

struct stream {
	hts_tpool_process *process;
	pthread_t taker;
	unsigned int given;
};

static hts_tpool *pool;
static unsigned long streams;
static struct stream_item last;

const char stream_name[] = "htslib";
const struct job_option stream_options[] = {{NULL, NULL, NULL, NULL}};

static void *work(void *argument)
{
	struct stream_item *item = argument;
	if (item != &last)
		item->item.value = job_work(item->item.value, job.loops);
	return item;
}

static void *take(void *argument)
{
	struct stream *stream = argument;
	for (;;) {
		hts_tpool_result *result = hts_tpool_next_result_wait(stream->process);
		if (!result)
			job_fail("htslib gave no result", 0);
		struct stream_item *item = hts_tpool_result_data(result);
		hts_tpool_delete_result(result, 0);
		if (item == &last)
			return NULL;
		stream_serial(item);
	}
}

struct stream *stream_open(void)
{
	struct stream *stream = job_memory(sizeof(*stream));
	if (!streams++)
		pool = hts_tpool_init(2);
	if (!pool)
		job_fail("hts_tpool_init", 0);
	/* Its bound holds for what waits to be worked on and, separately, for what waits to be taken. */
	stream->process = hts_tpool_process_init(pool, job.window > 1 ? (int)job.window / 2 : 1, 0);
	if (!stream->process || pthread_create(&stream->taker, NULL, take, stream))
		job_fail("hts_tpool_process_init", 0);
	return stream;
}

void stream_put(struct stream *stream, struct stream_item *item)
{
	item->item.number = stream->given++;
	if (hts_tpool_dispatch(pool, stream->process, work, item))
		job_fail("hts_tpool_dispatch", 0);
}

void stream_finish(struct stream *stream)
{
	stream_put(stream, &last);
	pthread_join(stream->taker, NULL);
}

void stream_close(struct stream *stream)
{
	hts_tpool_process_destroy(stream->process);
	free(stream);
	if (!--streams)
		hts_tpool_destroy(pool);
}

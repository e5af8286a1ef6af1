/* SPDX-License-Identifier: MIT */

/*
 * The stream of stream.h through GLib's GThreadPool, which has no order: what
 * is finished waits in a ring under a lock until all before it is finished.
 */

#include "../stream.h"

#include <glib.h>
#include <string.h>

struct stream {
	GThreadPool *pool;
	GMutex lock;
	GCond room;
	gboolean producer_waits;
	unsigned long given, taken; /* items; the difference is outstanding */
	struct stream_item **finished;
};

const char stream_name[] = "glib";
const struct job_option stream_options[] = {{NULL, NULL, NULL, NULL}};

static void work(gpointer data, gpointer user_data)
{
	struct stream_item *item = data;
	struct stream *stream = user_data;
	item->item.value = job_work(item->item.value, job.loops);

	g_mutex_lock(&stream->lock);
	stream->finished[item->item.number % job.window] = item;
	struct stream_item **oldest;
	while (*(oldest = &stream->finished[stream->taken % job.window])) {
		struct stream_item *next = *oldest;
		*oldest = NULL;
		stream_serial(next);
		stream->taken++;
	}
	if (stream->producer_waits && stream->given - stream->taken <= job.window / 2) {
		stream->producer_waits = FALSE;
		g_cond_signal(&stream->room);
	}
	g_mutex_unlock(&stream->lock);
}

struct stream *stream_open(void)
{
	struct stream *stream = job_memory(sizeof(*stream));
	stream->finished = job_memory(job.window * sizeof(*stream->finished));
	g_mutex_init(&stream->lock);
	g_cond_init(&stream->room);
	/* Not exclusive: all streams share GLib's threads, as they would in a program. */
	stream->pool = g_thread_pool_new(work, stream, 2, FALSE, NULL);
	return stream;
}

static void wait_for(struct stream *stream, unsigned long outstanding)
{
	while (stream->given - stream->taken > outstanding) {
		stream->producer_waits = TRUE;
		g_cond_wait(&stream->room, &stream->lock);
	}
}

void stream_put(struct stream *stream, struct stream_item *item)
{
	g_mutex_lock(&stream->lock);
	wait_for(stream, job.window - 1);
	item->item.number = (unsigned int)stream->given++;
	g_mutex_unlock(&stream->lock);
	g_thread_pool_push(stream->pool, item, NULL);
}

void stream_finish(struct stream *stream)
{
	g_mutex_lock(&stream->lock);
	wait_for(stream, 0);
	g_mutex_unlock(&stream->lock);
}

void stream_close(struct stream *stream)
{
	g_thread_pool_free(stream->pool, FALSE, TRUE);
	g_mutex_clear(&stream->lock);
	g_cond_clear(&stream->room);
}

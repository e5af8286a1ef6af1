/* SPDX-License-Identifier: MIT */
#include "stream_buffer.h"
#include "stream_alloc.h"

#include <pthread.h>
#include <stdlib.h>

/* All of one size, that of the last one put; together not more than this. */
#define KEPT_BYTES ((size_t)8 << 20)
#define KEPT_MOST 64

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char *kept[KEPT_MOST];
static unsigned int count;
static size_t kept_room;

static void free_kept(void)
{
	while (count)
		free(kept[--count]);
}

char *buffer_get(size_t room)
{
	char *buffer = NULL;
	pthread_mutex_lock(&mutex);
	if (count && kept_room == room)
		buffer = kept[--count];
	pthread_mutex_unlock(&mutex);
	return buffer ? buffer : must_alloc(room);
}

void buffer_put(char *buffer, size_t room)
{
	pthread_mutex_lock(&mutex);
	if (kept_room != room)
		free_kept();
	kept_room = room;
	if (count < KEPT_MOST && (count + 1) * room <= KEPT_BYTES) {
		kept[count++] = buffer;
		buffer = NULL;
	}
	pthread_mutex_unlock(&mutex);
	free(buffer);
}

void buffer_free_all(void)
{
	pthread_mutex_lock(&mutex);
	free_kept();
	pthread_mutex_unlock(&mutex);
}

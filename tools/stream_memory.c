/* SPDX-License-Identifier: MIT */
#include "stream_memory.h"

void memory_open(struct memory *memory, size_t limit)
{
	*memory = (struct memory){.limit = limit};
	pthread_mutex_init(&memory->mutex, NULL);
	pthread_cond_init(&memory->changed, NULL);
}

void memory_close(struct memory *memory)
{
	pthread_cond_destroy(&memory->changed);
	pthread_mutex_destroy(&memory->mutex);
}

static bool fits(const struct memory *memory, size_t bytes)
{
	return memory->held + bytes <= memory->limit;
}

static void add(struct memory *memory, size_t bytes)
{
	memory->held += bytes;
	if (memory->held > memory->peak)
		memory->peak = memory->held;
}

enum memory_taken memory_take(struct memory *memory, size_t bytes)
{
	pthread_mutex_lock(&memory->mutex);
	while (!memory->closed && memory->jobs && !fits(memory, bytes))
		pthread_cond_wait(&memory->changed, &memory->mutex);
	enum memory_taken taken = memory->closed	? MEMORY_SHUT
				  : fits(memory, bytes) ? MEMORY_TAKEN
							: MEMORY_NEVER;
	if (taken == MEMORY_TAKEN)
		add(memory, bytes);
	pthread_mutex_unlock(&memory->mutex);
	return taken;
}

bool memory_try_take(struct memory *memory, size_t bytes)
{
	pthread_mutex_lock(&memory->mutex);
	bool taken = fits(memory, bytes);
	if (taken)
		add(memory, bytes);
	pthread_mutex_unlock(&memory->mutex);
	return taken;
}

void memory_give(struct memory *memory, size_t bytes)
{
	pthread_mutex_lock(&memory->mutex);
	memory->held -= bytes;
	pthread_cond_signal(&memory->changed);
	pthread_mutex_unlock(&memory->mutex);
}

void memory_job_begins(struct memory *memory)
{
	pthread_mutex_lock(&memory->mutex);
	memory->jobs++;
	pthread_mutex_unlock(&memory->mutex);
}

void memory_job_ends(struct memory *memory, size_t bytes)
{
	pthread_mutex_lock(&memory->mutex);
	memory->jobs--;
	memory->held -= bytes;
	pthread_cond_signal(&memory->changed);
	pthread_mutex_unlock(&memory->mutex);
}

void memory_shut(struct memory *memory)
{
	pthread_mutex_lock(&memory->mutex);
	memory->closed = true;
	pthread_cond_signal(&memory->changed);
	pthread_mutex_unlock(&memory->mutex);
}

size_t memory_held(struct memory *memory)
{
	pthread_mutex_lock(&memory->mutex);
	size_t held = memory->held;
	pthread_mutex_unlock(&memory->mutex);
	return held;
}

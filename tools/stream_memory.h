/* SPDX-License-Identifier: MIT */
#ifndef STREAM_MEMORY_H
#define STREAM_MEMORY_H

/*
 * The bound on what is read and not yet written. Who reads input waits for
 * room; who drains output asks, and leaves it in the command's pipe when there
 * is none. Its lock is the innermost of all.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct memory {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	size_t held, peak, limit;
	unsigned long jobs; /* those that will give something back */
	bool closed;
};

void memory_open(struct memory *memory, size_t limit);
void memory_close(struct memory *memory);

enum memory_taken {
	MEMORY_TAKEN,
	MEMORY_NEVER, /* no job is left that could give anything back, and still it is beyond the bound */
	MEMORY_SHUT,  /* nothing more is wanted */
};

/* Wait until the bytes are within the bound. The reader, the only one that waits. */
enum memory_taken memory_take(struct memory *memory, size_t bytes);
/* Any thread. */
bool memory_try_take(struct memory *memory, size_t bytes);
void memory_give(struct memory *memory, size_t bytes);

void memory_job_begins(struct memory *memory);
void memory_job_ends(struct memory *memory, size_t bytes);
/* Whoever waits is sent away. */
void memory_shut(struct memory *memory);
size_t memory_held(struct memory *memory);

#endif

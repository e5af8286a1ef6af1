/* SPDX-License-Identifier: MIT */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

/*
 * What a program asks of a library when it wants to know more than one thing
 * of it: items go in at one end by one thread, are worked on in parallel, and
 * come out in order. A library fits itself to this once, in one file; each
 * question is a program that is linked with each of them.
 */

#include "job.h"

struct stream_item {
	unsigned long handle[8]; /* what the library keeps in its user's memory */
	struct job_item item;
} __attribute__((__aligned__(64)));

#define STREAM_ORDERS 64

struct stream;
extern const char stream_name[];
extern const struct job_option stream_options[];

/* job_options() has been called; of all streams of a process, the workers are the same two. */
struct stream *stream_open(void);
/* Waits while job.window items are outstanding. Gives the item its number, and its order where the library keeps several. */
void stream_put(struct stream *stream, struct stream_item *item);
/* Waits for all items; nothing is put after it. */
void stream_finish(struct stream *stream);
void stream_close(struct stream *stream);

/* The serial stage, which the question provides. */
void stream_serial(struct stream_item *item);

#endif

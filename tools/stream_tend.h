/* SPDX-License-Identifier: MIT */
#ifndef STREAM_TEND_H
#define STREAM_TEND_H

/*
 * What a running child needs, one look at a time: input, room for its output, its end, its time. All the
 * loop's.
 */

#include "stream_run.h"

enum {
	TEND_MOVED = 1, /* there will soon be more to do */
	TEND_OVER = 2,	/* it has ended, and no one can write to its output any more */
};

/* event: epoll has said so; else it is a look in passing. */
unsigned int tend_input(struct job *job, bool event);
unsigned int tend_output(struct job *job, bool event);
/* Its process has ended. */
unsigned int tend_end(struct job *job);
/* Whether it has had its time, or is no longer wanted. */
void tend_time(struct job *job, int64_t now);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef STREAM_LOOP_H
#define STREAM_LOOP_H

/* The event loop: one thread that looks after the pipes and the ends of all running children, and signals. */

#include "stream_run.h"

struct loop;

struct loop *loop_open(struct run *run);
/* Every job is over: end the thread. */
void loop_end(struct loop *loop);
/* The workers have ended too, the last of which may just have woken the loop. */
void loop_close(struct loop *loop);

/* The child runs: look after it from now on. Any thread. */
void loop_watch(struct job *job);
/* The child cannot be started now: try again at a tick. Any thread. */
void loop_start_later(struct job *job);
/* Something has changed that the loop would otherwise see at its next tick. Any thread. */
void loop_wake(struct loop *loop);

/* Arm a port for its next event. The loop, and for the oldest job's output the writer. */
void loop_arm(struct run *run, struct job *job, struct port *port, unsigned int events);
/* A transfer of this much, of a pipe that holds so much, is worth a wake-up of its own. */
static inline size_t loop_large(size_t capacity)
{
	return capacity / 4 < 65536 ? capacity / 4 : 65536;
}
/* Take a port out, before its descriptor is closed. */
void loop_forget(struct run *run, struct port *port);

#endif

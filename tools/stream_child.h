/* SPDX-License-Identifier: MIT */
#ifndef STREAM_CHILD_H
#define STREAM_CHILD_H

/* A job's child and its pipes: starting it, moving bytes in and out, ending it. */

#include "stream_run.h"

/* Start the job's child, its pipe filled: 0 or -errno. A worker, or the loop. */
int child_start(struct job *job);

/*
 * Feed as much as fits: the bytes moved; the port is closed when all has gone. The loop, or before the start.
 */
size_t child_feed(struct job *job);
bool child_is_fed(const struct job *job);

/*
 * Move what the child has written into memory, as far as the bound allows: the bytes moved. The loop, under
 * job->mutex.
 */
size_t child_drain(struct job *job);
/* No one can write to it any more: move all that is there, whose memory was set aside. */
size_t child_take_rest(struct job *job, size_t there);

/* Bytes waiting in a pipe; whether no one can write to it any more. */
size_t pipe_holds(int fd);
bool pipe_is_closed(int fd);

/* Send a signal to the job's process group. Any thread. */
void child_signal(struct job *job, int sig);
/* Reap it and set the outcome; its pipes other than standard output are closed. The loop. */
void child_reap(struct job *job);
/* As if it had never been started. The loop. */
void child_forget(struct job *job);

#endif

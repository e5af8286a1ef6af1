/* SPDX-License-Identifier: MIT */
#ifndef STREAM_WRITE_H
#define STREAM_WRITE_H

/* The writer: what leaves, in order, and what is said about jobs as they leave. All under run->out_mutex. */

#include "stream_run.h"

void write_open(struct run *run);
void write_close(struct run *run);
/* The job is over and it is its turn. */
void write_job(struct job *job);
/* It is the oldest, and may still be running: write what there is. */
void write_flow(struct job *job);
/* Before the job's child starts. A worker. */
void write_open_results(struct job *job);

#endif

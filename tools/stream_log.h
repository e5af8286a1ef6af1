/* SPDX-License-Identifier: MIT */
#ifndef STREAM_LOG_H
#define STREAM_LOG_H

/* --joblog and --stats: what is written down about jobs, and about all of them. */

#include "stream_run.h"

void log_open(struct run *run);
void log_close(struct run *run);
/* One line for a job that has been written. The writer. */
void log_job(struct job *job);

#endif

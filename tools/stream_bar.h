/* SPDX-License-Identifier: MIT */
#ifndef STREAM_BAR_H
#define STREAM_BAR_H

/* --bar and --eta: how far it is, on a terminal only. */

#include "stream_run.h"

void bar_open(struct run *run);
void bar_close(void);
/* The loop, at its ticks. */
void bar_draw(struct run *run, int64_t now);
/* How long the loop may sleep while nothing runs, in milliseconds; -1: for ever. */
int bar_interval(void);

#endif

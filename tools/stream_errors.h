/* SPDX-License-Identifier: MIT */
#ifndef STREAM_ERRORS_H
#define STREAM_ERRORS_H

/*
 * What the commands write to standard error: passed on in whole lines, so that those of different commands do
 * not mix.
 */

#include "stream_run.h"

/* Take what the pipe holds and pass its whole lines on; last: the rest too. How much there was. The loop. */
size_t errors_pass(struct job *job, bool last);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef STREAM_GZWATCH_H
#define STREAM_GZWATCH_H

/*
 * What padata gzip attends to beside its work, in a thread of its own: the
 * progress line, requests for other CPUs, a reader of its output that goes away.
 */

struct gzrun;
struct gzwatch;

struct gzwatch *gzwatch_open(struct gzrun *run);
/* A request that is being answered is waited for. */
void gzwatch_close(struct gzwatch *watch);

#endif

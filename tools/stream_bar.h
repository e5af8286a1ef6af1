/* SPDX-License-Identifier: MIT */
#ifndef STREAM_BAR_H
#define STREAM_BAR_H

/* --bar and --eta: how far it is, on a terminal only. One thread draws. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
	uint64_t in, size; /* of the input, in bytes; size 0: not known */
	unsigned int running;
	size_t held;
	double oldest; /* for how many seconds the oldest job has been running */
};

/* began: in the time of now_ns(). */
void bar_open(bool wanted, int64_t began);
void bar_close(void);
/* Whether it is time to draw, and the terminal takes it. */
bool bar_is_due(int64_t now);
void bar_draw(const struct progress *p);
/* How long whoever draws may sleep, in milliseconds; -1: for ever. */
int bar_interval(void);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef STREAM_SAY_H
#define STREAM_SAY_H

/*
 * What the program says: whole lines on standard error, and the exit statuses.
 * The commands' lines and the progress line go there too, so all take turns.
 */

#include <stddef.h>

/* The exit statuses, as xargs has them. */
enum {
	EXIT_ERROR = 1,
	EXIT_FAILED = 123,
	EXIT_255 = 124,
	EXIT_KILLED = 125,
	EXIT_CANNOT_RUN = 126,
	EXIT_NOT_FOUND = 127
};

/* One whole line on standard error, "padata: " before it. Any thread. */
void say(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));
/* The same, then end the program with status 1: for what is found before any work has begun. */
void die(const char *format, ...) __attribute__((__format__(__printf__, 1, 2), __noreturn__));

/* What else writes to standard error does so between these two, so that lines stay whole. */
void stderr_lock(void);
void stderr_unlock(void);
void stderr_lines(const char *bytes, size_t length);
/* How a progress line is taken off the terminal before anything else is written there. */
extern void (*stderr_clear)(void);

/* Die of a signal as if it had never been caught; of SIGPIPE, quietly, as any filter does. Any thread. */
void die_of(int sig) __attribute__((__noreturn__));

#endif

/* SPDX-License-Identifier: MIT */
#ifndef STREAM_UTIL_H
#define STREAM_UTIL_H

/* What every part of the program needs: messages, time, memory, whole writes, and reading sizes and times. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The exit statuses, as xargs has them. */
enum { EXIT_ERROR = 1, EXIT_FAILED = 123, EXIT_255 = 124, EXIT_KILLED = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

/* One whole line on standard error, "padata: " before it. Any thread. */
void say(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));
/* The same, then end the program with status 1: for what is found before any work has begun. */
void die(const char *format, ...) __attribute__((__format__(__printf__, 1, 2), __noreturn__));

/* What else writes to standard error does so between these two, so that lines stay whole. */
void stderr_lock(void);
void stderr_unlock(void);
/* How a progress line is taken off the terminal before anything else is written there. */
extern void (*stderr_clear)(void);
void stderr_lines(const char *bytes, size_t length);

/* Monotonic time in nanoseconds. */
int64_t now_ns(void);

/* The most memory that was ever resident, in bytes. */
size_t resident_peak(void);

/* Memory, or the end of the program. */
void *must_alloc(size_t size);
void *must_realloc(void *memory, size_t size);
char *must_copy(const char *text);

/* Write it all, however the descriptor is set: 0 or -errno. */
int write_all(int fd, const void *bytes, size_t length);

/* Read until length bytes have come or the input ends: the number read, or -errno. */
ssize_t read_all(int fd, void *bytes, size_t length);
ssize_t pread_all(int fd, void *bytes, size_t length, off_t at);

/* "10", "64k", "1M", "1.5G": K, M, G and T are powers of 1,024, small k, m, g and t of 1,000. */
bool parse_size(const char *text, size_t *size);
/* "10", "0.5", "5m": seconds, or with s, m, h or d after them. */
bool parse_seconds(const char *text, double *seconds);
bool parse_count(const char *text, unsigned long long low, unsigned long long high, unsigned long long *count);
/* Take \n, \t, \r, \0, \\ and \xHH out of text, in place: the length that is left. */
size_t unescape(char *text);

/* Die of SIGPIPE as any filter does, quietly. Any thread. */
void die_of_sigpipe(void) __attribute__((__noreturn__));
/* Die of a signal as if it had never been caught. */
void die_of(int sig) __attribute__((__noreturn__));

/* A memory search for the last occurrence; NULL when there is none. */
const void *last_match(const void *bytes, size_t length, const void *what, size_t what_length);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef STREAM_USAGE_H
#define STREAM_USAGE_H

/* Time that passes, and what the program has used. */

#include <stddef.h>
#include <stdint.h>

/* Monotonic time in nanoseconds. */
int64_t now_ns(void);
/* The most memory that was ever resident, in bytes. */
size_t resident_peak(void);
/* User and system time in seconds: the program's own, and that of the commands it has waited for. */
double cpu_seconds(void);
double cpu_seconds_commands(void);

#endif

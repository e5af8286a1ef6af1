/* SPDX-License-Identifier: MIT */
#ifndef STREAM_TRACE_H
#define STREAM_TRACE_H

/*
 * --trace: what happened when, as Chrome trace JSON, an event a line. A row for
 * reading, one for writing, and one for each CPU; jobs that a CPU has started
 * while another of it still ran are in further rows of that CPU. Any thread;
 * with NULL nothing is done.
 */

#include <stdint.h>

struct trace;

enum { TRACE_READING = 1, TRACE_WRITING = 2 };

/* NULL for NULL; the end of the program where the file cannot be written. */
struct trace *trace_open(const char *file);
void trace_close(struct trace *trace);
/* The program ends at once: what has happened is written, and nothing after it. */
void trace_end(struct trace *trace);

/* A row of the CPU that is free; it is the caller's until it is put back. */
int trace_row_get(struct trace *trace, int cpu);
void trace_row_put(struct trace *trace, int row);

/* From and to in the time of now_ns(). */
void trace_span(struct trace *trace, int row, const char *what, unsigned long long number, int64_t from,
		int64_t to);
void trace_count(struct trace *trace, const char *what, int64_t at, unsigned long long value);

#endif

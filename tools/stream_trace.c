/* SPDX-License-Identifier: MIT */
#include "stream_trace.h"
#include "stream_alloc.h"
#include "stream_say.h"
#include "stream_usage.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a CPU follow each other; more jobs at once than this share the last. */
#define ROWS_PER_CPU 64
#define FIRST_CPU_ROW 64

struct trace {
	FILE *file;
	const char *name;
	int64_t began;
	pthread_mutex_t mutex;
	/* Under mutex. */
	int rows; /* so many are known */
	unsigned char *used, *named;
	bool first, ended;
};

static void event(struct trace *t, const char *format, ...) __attribute__((__format__(__printf__, 2, 3)));

static void event(struct trace *t, const char *format, ...)
{
	va_list list;
	if (t->ended)
		return;
	va_start(list, format);
	fputs(t->first ? "[\n" : ",\n", t->file);
	t->first = false;
	vfprintf(t->file, format, list);
	va_end(list);
}

static void name_row(struct trace *t, int row, const char *name)
{
	event(t, "{\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"name\":\"thread_name\",\"args\":{\"name\":\"%s\"}}",
	      row, name);
	event(
	    t,
	    "{\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":%d}}",
	    row, row);
}

struct trace *trace_open(const char *file)
{
	if (!file)
		return NULL;
	struct trace *t = must_alloc(sizeof(*t));
	*t = (struct trace){.file = fopen(file, "we"), .name = file, .began = now_ns(), .first = true};
	if (!t->file)
		die("--trace %s: %s", file, strerror(errno));
	pthread_mutex_init(&t->mutex, NULL);
	name_row(t, TRACE_READING, "reading");
	name_row(t, TRACE_WRITING, "writing, in order");
	return t;
}

void trace_end(struct trace *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->mutex);
	fputs("\n]\n", t->file);
	fflush(t->file);
	t->ended = true;
	pthread_mutex_unlock(&t->mutex);
}

void trace_close(struct trace *t)
{
	if (!t)
		return;
	fputs("\n]\n", t->file);
	bool bad = ferror(t->file) != 0;
	if ((fclose(t->file) != 0) | bad)
		say("--trace %s: it could not all be written", t->name);
	pthread_mutex_destroy(&t->mutex);
	free(t->used);
	free(t->named);
	free(t);
}

static void know_rows(struct trace *t, int rows)
{
	if (rows <= t->rows)
		return;
	t->used = must_realloc(t->used, (size_t)rows);
	t->named = must_realloc(t->named, (size_t)rows);
	memset(t->used + t->rows, 0, (size_t)(rows - t->rows));
	memset(t->named + t->rows, 0, (size_t)(rows - t->rows));
	t->rows = rows;
}

int trace_row_get(struct trace *t, int cpu)
{
	char name[64];
	if (!t)
		return 0;
	int first = FIRST_CPU_ROW + cpu * ROWS_PER_CPU, row = first;
	pthread_mutex_lock(&t->mutex);
	know_rows(t, first + ROWS_PER_CPU);
	while (t->used[row] && row < first + ROWS_PER_CPU - 1)
		row++;
	t->used[row] = 1;
	if (!t->named[row]) {
		snprintf(name, sizeof(name), row == first ? "CPU %d" : "CPU %d (%d)", cpu, row - first + 1);
		name_row(t, row, name);
		t->named[row] = 1;
	}
	pthread_mutex_unlock(&t->mutex);
	return row;
}

void trace_row_put(struct trace *t, int row)
{
	if (!t || !row)
		return;
	pthread_mutex_lock(&t->mutex);
	t->used[row] = 0;
	pthread_mutex_unlock(&t->mutex);
}

void trace_span(struct trace *t, int row, const char *what, unsigned long long number, int64_t from,
		int64_t to)
{
	if (!t || !row)
		return;
	pthread_mutex_lock(&t->mutex);
	event(t, "{\"ph\":\"X\",\"pid\":1,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,\"name\":\"%s %llu\"}", row,
	      (double)(from - t->began) / 1e3, (double)(to - from) / 1e3, what, number);
	pthread_mutex_unlock(&t->mutex);
}

void trace_count(struct trace *t, const char *what, int64_t at, unsigned long long value)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->mutex);
	event(t, "{\"ph\":\"C\",\"pid\":1,\"ts\":%.3f,\"name\":\"%s\",\"args\":{\"bytes\":%llu}}",
	      (double)(at - t->began) / 1e3, what, value);
	pthread_mutex_unlock(&t->mutex);
}

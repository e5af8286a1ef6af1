/* SPDX-License-Identifier: MIT */
#include "stream_gztask.h"
#include "stream_alloc.h"
#include "stream_cpus.h"
#include "stream_io.h"
#include "stream_say.h"
#include "stream_trace.h"
#include "stream_usage.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Enough that a worker that the system has set aside for a moment does not stop the other. */
#define TASKS_PER_CPU 8u

static void task_parallel(struct padata_priv *padata)
{
	struct gztask *task = container_of(padata, struct gztask, padata);
	struct trace *trace = task->run->trace;
	int64_t began = trace ? now_ns() : 0;
	int row = trace_row_get(trace, trace ? sched_getcpu() : 0);
	if (task->work && !task->error)
		task->work(task);
	if (trace)
		trace_span(trace, row, "block", task->number, began, now_ns());
	trace_row_put(trace, row);
	padata_do_serial(padata);
}

static void say_error(struct gzrun *run, const struct gztask *task)
{
	say("%s: %s%s%s (at byte %llu)", run->name, task->error, task->error_number ? ": " : "",
	    task->error_number ? strerror(task->error_number) : "", (unsigned long long)task->at);
}

static bool has_failed(struct gzrun *run)
{
	pthread_mutex_lock(&run->mutex);
	bool failed = run->failed;
	pthread_mutex_unlock(&run->mutex);
	return failed;
}

static void task_serial(struct padata_priv *padata)
{
	struct gztask *task = container_of(padata, struct gztask, padata);
	struct gzrun *run = task->run;
	bool failed = has_failed(run);
	int64_t began = run->trace ? now_ns() : 0;
	if (!failed) {
		int error = write_all(STDOUT_FILENO, task->out, task->out_length);
		if (error == -EPIPE)
			die_of(SIGPIPE);
		if (error) {
			say("standard output: %s", strerror(-error));
			failed = true;
		} else if (task->error) {
			say_error(run, task);
			failed = true;
		}
	}
	if (run->trace)
		trace_span(run->trace, TRACE_WRITING, "write", task->number, began, now_ns());
	pthread_mutex_lock(&run->mutex);
	run->failed |= failed;
	run->bytes_in += task->in_length;
	run->bytes_out += task->out_length;
	run->done++;
	task->next = run->free_tasks;
	run->free_tasks = task;
	pthread_cond_signal(&run->changed);
	pthread_mutex_unlock(&run->mutex);
}

/* -j may ask for fewer workers than there are CPUs; more would only wait for each other. */
static void keep_first(struct cpumask *mask, unsigned int count)
{
	unsigned int cpu;
	for_each_cpu(cpu, mask) {
		if (count)
			count--;
		else
			cpumask_clear_cpu((int)cpu, mask);
	}
}

void gzrun_open(struct gzrun *run, const struct options *o, size_t task_size)
{
	cpumask_var_t mask = cpus_parse(o->cpus);
	*run = (struct gzrun){ .o = o, .name = o->file ? o->file : "standard input", .began = now_ns() };
	pthread_mutex_init(&run->mutex, NULL);
	pthread_cond_init(&run->changed, NULL);
	keep_first(mask, cpus_jobs(o, cpumask_weight(mask)));
	run->most_tasks = TASKS_PER_CPU * cpumask_weight(mask);
	if (run->most_tasks > o->memory / task_size)
		run->most_tasks = o->memory / task_size ? (unsigned int)(o->memory / task_size) : 1;
	run->cb_cpu = (int)cpumask_first(mask);
	run->trace = trace_open(o->trace);
	run->wq = alloc_workqueue("padata", 0, 0);
	run->pinst = run->wq ? padata_alloc(mask, run->wq) : NULL;
	if (!run->pinst)
		die("cannot start the workers: %s", strerror(errno));
	free_cpumask_var(mask);
	padata_start(run->pinst);
}

struct gztask *gzrun_get(struct gzrun *run)
{
	struct gztask *task = NULL;
	pthread_mutex_lock(&run->mutex);
	while (!run->failed && !run->free_tasks && run->tasks == run->most_tasks)
		pthread_cond_wait(&run->changed, &run->mutex);
	bool make = !run->failed && !run->free_tasks;
	if (make) {
		run->tasks++;
	} else if (!run->failed) {
		task = run->free_tasks;
		run->free_tasks = task->next;
	}
	pthread_mutex_unlock(&run->mutex);
	if (make) {
		task = must_alloc(sizeof(*task));
		*task = (struct gztask){ .run = run };
	}
	if (!task)
		return NULL;
	run->reader_since = now_ns();
	memset(&task->padata, 0, sizeof(task->padata));
	task->padata.parallel = task_parallel;
	task->padata.serial = task_serial;
	task->in_length = task->out_length = 0;
	task->in_file = -1;
	task->error = NULL;
	task->error_number = 0;
	return task;
}

void gzrun_submit(struct gzrun *run, struct gztask *task)
{
	int error;
	task->number = ++run->submitted;
	if (run->trace)
		trace_span(run->trace, TRACE_READING, "read", task->number, run->reader_since, now_ns());
	while ((error = padata_do_parallel(run->pinst, &task->padata, run->cb_cpu)) != -EINPROGRESS) {
		/* The CPU to write on has been taken from the process: when what it has to write is written, another. */
		if (error == -EINVAL) {
			padata_flush(run->pinst);
			run->cb_cpu = (int)cpumask_first(cpu_active_mask);
		} else if (padata_wait_room(run->pinst) != 0) {
			die("no task can be submitted");
		}
	}
}

void gzrun_fail(struct gzrun *run, uint64_t at, const char *error, int error_number)
{
	struct gztask *task = gzrun_get(run);
	if (!task)
		return;
	task->work = NULL;
	task->at = at;
	task->error = error;
	task->error_number = error_number;
	gzrun_submit(run, task);
}

void gztask_need(char **buffer, size_t *room, size_t bytes)
{
	if (bytes <= *room)
		return;
	free(*buffer);
	*buffer = must_alloc(bytes);
	*room = bytes;
}

bool gztask_read(struct gztask *task)
{
	if (task->in_file < 0)
		return true;
	gztask_need(&task->in, &task->in_room, task->in_length);
	ssize_t n = pread_all(task->in_file, task->in, task->in_length, (off_t)task->at);
	if (n == (ssize_t)task->in_length)
		return true;
	task->error = n < 0 ? "cannot be read" : "has become shorter";
	task->error_number = n < 0 ? (int)-n : 0;
	return false;
}

static void say_stats(struct gzrun *run)
{
	char line[512];
	int n = snprintf(line, sizeof(line),
			 "{\"command\":\"gzip\",\"seconds\":%.6f,\"jobs\":%lu,\"bytes_in\":%llu,\"bytes_out\":%llu,"
			 "\"memory_limit\":%zu,\"rss_peak\":%zu,\"cpu_seconds\":%.6f,\"status\":%d}\n",
			 (double)(now_ns() - run->began) / 1e9, run->done, (unsigned long long)run->bytes_in,
			 (unsigned long long)run->bytes_out, run->o->memory, resident_peak(),
			 cpu_seconds(),
			 run->failed);
	stderr_lines(line, (size_t)n);
}

int gzrun_close(struct gzrun *run)
{
	padata_free(run->pinst);
	destroy_workqueue(run->wq);
	while (run->free_tasks) {
		struct gztask *task = run->free_tasks;
		run->free_tasks = task->next;
		free(task->in);
		free(task->out);
		free(task);
	}
	trace_close(run->trace);
	if (run->o->stats)
		say_stats(run);
	pthread_cond_destroy(&run->changed);
	pthread_mutex_destroy(&run->mutex);
	return run->failed ? EXIT_ERROR : 0;
}

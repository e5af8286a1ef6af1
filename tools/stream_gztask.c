/* SPDX-License-Identifier: MIT */
#include "stream_gztask.h"
#include "stream_alloc.h"
#include "stream_cpus.h"
#include "stream_gzwatch.h"
#include "stream_io.h"
#include "stream_say.h"
#include "stream_trace.h"
#include "stream_usage.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TASKS_PER_CPU 8u
/* Tasks outstanding: more than there ever are. */
#define WINDOW 65536u

static void task_parallel(struct padata_priv *padata)
{
	struct gztask *task = container_of(padata, struct gztask, padata);
	struct trace *trace = task->run->trace;
	int row = trace_row_get(trace, trace ? sched_getcpu() : 0);
	int64_t began = trace ? now_ns() : 0;
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
	if (run->trace) {
		int64_t now = now_ns();
		trace_span(run->trace, TRACE_WRITING, "write", task->number, began, now);
		trace_count(run->trace, "memory held", now, atomic_load(&run->held));
	}
	pthread_mutex_lock(&run->mutex);
	run->failed |= failed;
	run->bytes_in += task->in_length;
	run->bytes_out += task->out_length;
	run->done++;
	run->oldest = task->next;
	if (!run->oldest)
		run->newest = &run->oldest;
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

/* Enough that a worker that the system has set aside for a moment does not stop the others. */
static unsigned int enough_tasks(const struct gzrun *run, unsigned int cpus)
{
	unsigned int enough = TASKS_PER_CPU * cpus;
	size_t most = run->o->memory / run->task_size;
	return enough <= most ? enough : most ? (unsigned int)most : 1;
}

void gzrun_open(struct gzrun *run, const struct options *o, size_t task_size, uint64_t size)
{
	cpumask_var_t mask = cpus_parse(o->cpus);
	*run = (struct gzrun){.o = o, .name = o->file ? o->file : "standard input", .began = now_ns()};
	run->task_size = task_size;
	run->size = size;
	run->newest = &run->oldest;
	pthread_mutex_init(&run->mutex, NULL);
	pthread_cond_init(&run->changed, NULL);
	keep_first(mask, cpus_jobs(o, cpumask_weight(mask)));
	run->most_tasks = enough_tasks(run, cpumask_weight(mask));
	run->trace = trace_open(o->trace);
	bar_open(o->bar || o->eta, run->began);
	cpus_open(&run->cpus, mask, WINDOW);
	free_cpumask_var(mask);
	run->watch = gzwatch_open(run);
}

int gzrun_change_cpus(void *argument, const char *list)
{
	struct gzrun *run = argument;
	cpumask_var_t mask;
	int error = cpus_parse_live(list, &mask);
	if (error)
		return error;
	keep_first(mask, cpus_jobs(run->o, cpumask_weight(mask)));
	error = cpus_change(&run->cpus, mask);
	if (!error) {
		pthread_mutex_lock(&run->mutex);
		run->most_tasks = enough_tasks(run, cpumask_weight(mask));
		pthread_cond_signal(&run->changed);
		pthread_mutex_unlock(&run->mutex);
	}
	free_cpumask_var(mask);
	return error;
}

void gzrun_progress(struct gzrun *run, int64_t now, struct progress *p)
{
	pthread_mutex_lock(&run->mutex);
	*p = (struct progress){.in = run->bytes_in, .size = run->size, .held = atomic_load(&run->held)};
	p->running = (unsigned int)(run->submitted - run->done);
	p->oldest = run->oldest ? (double)(now - run->oldest->began) / 1e9 : 0;
	pthread_mutex_unlock(&run->mutex);
}

void gzrun_hold(struct gzrun *run, size_t more, size_t less)
{
	size_t held = atomic_fetch_add(&run->held, more - less) + more - less,
	       peak = atomic_load(&run->held_peak);
	while (held > peak && !atomic_compare_exchange_weak(&run->held_peak, &peak, held))
		;
}

struct gztask *gzrun_get(struct gzrun *run)
{
	struct gztask *task = NULL;
	pthread_mutex_lock(&run->mutex);
	while (!run->failed && !run->free_tasks && run->tasks >= run->most_tasks)
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
		*task = (struct gztask){.run = run};
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
	struct cpus *cpus = &run->cpus;
	int error;
	task->began = now_ns();
	task->next = NULL;
	pthread_mutex_lock(&run->mutex);
	task->number = ++run->submitted;
	*run->newest = task;
	run->newest = &task->next;
	pthread_mutex_unlock(&run->mutex);
	if (run->trace)
		trace_span(run->trace, TRACE_READING, "read", task->number, run->reader_since, task->began);
	while ((error = padata_do_parallel(cpus->pinst, &task->padata, atomic_load(&cpus->cb_cpu))) !=
	       -EINPROGRESS) {
		if (error != -EINVAL && padata_wait_room(cpus->pinst) == 0)
			continue;
		/*
		 * The CPU to write on is no longer ours: when what it has to write is written, another, as
		 * soon as there is one.
		 */
		padata_flush(cpus->pinst);
		int cpu = cpus_first(cpus);
		if (atomic_exchange(&cpus->cb_cpu, cpu) == cpu)
			usleep(1000);
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

void gztask_need(struct gztask *task, char **buffer, size_t *room, size_t bytes)
{
	if (bytes <= *room)
		return;
	gzrun_hold(task->run, bytes, *room);
	free(*buffer);
	*buffer = must_alloc(bytes);
	*room = bytes;
}

bool gztask_read(struct gztask *task)
{
	if (task->in_file < 0)
		return true;
	gztask_need(task, &task->in, &task->in_room, task->in_length);
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
	int n = snprintf(
	    line, sizeof(line),
	    "{\"command\":\"gzip\",\"seconds\":%.6f,\"jobs\":%lu,\"bytes_in\":%llu,\"bytes_out\":%llu,"
	    "\"held_peak\":%zu,\"memory_limit\":%zu,\"rss_peak\":%zu,\"cpu_seconds\":%.6f,\"status\":%d}\n",
	    (double)(now_ns() - run->began) / 1e9, run->done, (unsigned long long)run->bytes_in,
	    (unsigned long long)run->bytes_out, atomic_load(&run->held_peak), run->o->memory, resident_peak(),
	    cpu_seconds(), run->failed);
	stderr_lines(line, (size_t)n);
}

int gzrun_close(struct gzrun *run)
{
	gzwatch_close(run->watch);
	cpus_close(&run->cpus);
	bar_close();
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

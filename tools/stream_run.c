/* SPDX-License-Identifier: MIT */
#include "stream_run.h"
#include "stream_bar.h"
#include "stream_buffer.h"
#include "stream_input.h"
#include "stream_loop.h"
#include "stream_say.h"
#include "stream_spawn.h"
#include "stream_template.h"
#include "stream_usage.h"
#include "stream_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define PIPE_LARGEST ((size_t)1 << 20)
#define PIPE_USUAL ((size_t)65536)
/* Beside the longest record: what was read behind it. */
#define RUN_SPARE ((size_t)160 << 10)

static void settle_capacities(struct run *run)
{
	const struct options *o = run->o;
	/* A sixteenth of the memory: many jobs are held at a time, each with a pipe. */
	size_t most = 4096;
	while (most < PIPE_LARGEST && most * 2 <= o->memory / 16)
		most *= 2;
	/* A whole block, its ends in the middle of pages, goes into the pipe before the command starts. */
	size_t wanted = PIPE_USUAL;
	while (!run->unit && wanted < o->block && wanted < PIPE_LARGEST)
		wanted *= 2;
	run->in_capacity = run->out_capacity = wanted < most ? wanted : most;
}

static void block_signals(struct run *run)
{
	sigset_t all;
	struct sigaction action;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &run->child_signals);
	sigaction(SIGPIPE, NULL, &action);
	run->child_ignores_sigpipe = action.sa_handler == SIG_IGN;
}

void run_open(struct run *run, const struct options *o)
{
	struct rlimit files;
	*run = (struct run){.o = o, .input_fd = -1, .stop_at = ~0ull, .joblog_fd = -1, .began = now_ns()};
	run->ready_end = &run->ready;
	run->newest = &run->oldest;
	pthread_mutex_init(&run->mutex, NULL);
	pthread_mutex_init(&run->out_mutex, NULL);
	pthread_cond_init(&run->changed, NULL);
	memory_open(&run->memory, o->memory);
	run->unit = o->subcommand == PIPE ? NULL : o->zero ? "record" : "line";
	settle_capacities(run);
	run->may_splice = !o->tag && !o->results;
	run->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	run->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (run->null_fd < 0 || run->stop_fd < 0)
		die("cannot open /dev/null or an event: %s", strerror(errno));
	/* Each running job has a few descriptors; many may run at a time. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	run->template = template_open(o);
	const char *program = template_program(run->template);
	if (program)
		run->path = spawn_find(program);
	write_open(run);
	run->trace = trace_open(o->trace);
	run->reader_since = now_ns();
	block_signals(run);
}

size_t run_longest(const struct run *run)
{
	size_t most = run->memory.limit - run_job_charge(run) - RUN_SPARE - run->header_length;
	/*
	 * A record of map is there three times for a moment: as it was read, as an argument, as a word of the
	 * command.
	 */
	return run->unit ? most / 3 : most;
}

size_t run_job_charge(const struct run *run)
{
	return JOB_CHARGE + run->out_capacity;
}

bool run_charge_job(struct job *job, size_t input, char *const *args, size_t count)
{
	struct run *run = job->run;
	size_t words = template_size(run->template, job, args, count);
	if (memory_take(&run->memory, run_job_charge(run) + words + input) != MEMORY_TAKEN)
		return false;
	job->charge = JOB_CHARGE + words;
	job->block_charge = input;
	job->pipe_reserved = true;
	template_fill(run->template, job, args, count);
	return true;
}

/* As many tasks as the memory can hold jobs; so many are outstanding when the first one takes long. */
static unsigned int window(const struct run *run)
{
	size_t tasks = run->memory.limit / JOB_CHARGE / 2;
	return tasks > 65536 ? 65536 : tasks < 64 ? 64 : (unsigned int)tasks;
}

void run_start(struct run *run)
{
	INIT_WORK(&run->flow, run_flow);
	bar_open((run->o->bar || run->o->eta), run->began);
	cpumask_var_t mask = cpus_parse(run->o->cpus);
	run->slots = cpus_jobs(run->o, cpumask_weight(mask));
	cpus_open(&run->cpus, mask, window(run));
	free_cpumask_var(mask);
	loop_open(run);
}

int run_change_cpus(void *argument, const char *list)
{
	struct run *run = argument;
	cpumask_var_t mask;
	int error = cpus_parse_live(list, &mask);
	if (error)
		return error;
	error = cpus_change(&run->cpus, mask);
	if (!error) {
		pthread_mutex_lock(&run->mutex);
		run->slots = cpus_jobs(run->o, cpumask_weight(mask));
		pthread_mutex_unlock(&run->mutex);
		run_submit(run);
	}
	free_cpumask_var(mask);
	return error;
}

static double oldest_age(struct job *job, int64_t now)
{
	double age = 0;
	pthread_mutex_lock(&job->mutex);
	/* When it started is settled before its process is known. */
	if (job->pid > 0)
		age = (double)(now - job->started) / 1e9;
	pthread_mutex_unlock(&job->mutex);
	return age;
}

void run_progress(struct run *run, int64_t now, struct progress *p)
{
	*p = (struct progress){
	    .in = atomic_load(&run->bytes_in), .size = run->input_size, .held = memory_held(&run->memory)};
	pthread_mutex_lock(&run->mutex);
	p->running = run->running;
	p->oldest = run->oldest ? oldest_age(run->oldest, now) : 0;
	pthread_mutex_unlock(&run->mutex);
}

void run_input_failed(struct run *run)
{
	pthread_mutex_lock(&run->mutex);
	if (!run->status)
		run->status = EXIT_ERROR;
	pthread_mutex_unlock(&run->mutex);
}

void run_drop(struct job *job)
{
	memory_give(&job->run->memory, job_held(job));
	job_free(job);
}

int run_finish(struct run *run, struct input *input)
{
	if (run->loop) {
		pthread_mutex_lock(&run->mutex);
		while (run->ready || run->outstanding)
			pthread_cond_wait(&run->changed, &run->mutex);
		pthread_mutex_unlock(&run->mutex);
		loop_end(run->loop);
		cpus_close(&run->cpus);
		loop_close(run->loop);
	}
	bar_close();
	write_close(run);
	trace_close(run->trace);
	int status = run->status;
	template_close(run->template);
	free(run->path);
	input_close(input);
	buffer_free_all();
	close(run->null_fd);
	close(run->stop_fd);
	memory_close(&run->memory);
	pthread_cond_destroy(&run->changed);
	pthread_mutex_destroy(&run->mutex);
	pthread_mutex_destroy(&run->out_mutex);
	return status;
}

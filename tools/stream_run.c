/* SPDX-License-Identifier: MIT */
#include "stream_run.h"
#include "stream_bar.h"
#include "stream_buffer.h"
#include "stream_child.h"
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
	*run = (struct run){ .o = o, .input_fd = -1, .stop_at = ~0ull, .joblog_fd = -1, .began = now_ns() };
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
	/* A record of map is there three times for a moment: as it was read, as an argument, as a word of the command. */
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

bool run_may_flow(const struct job *job)
{
	return job->tried >= job->run->o->tries;
}

bool run_is_past(struct run *run, const struct job *job)
{
	pthread_mutex_lock(&run->mutex);
	bool past = job->number > run->stop_at;
	pthread_mutex_unlock(&run->mutex);
	return past;
}

/* Under mutex. */
static void drop_ready(struct run *run, struct job **dropped)
{
	*dropped = run->ready;
	run->ready = NULL;
	run->ready_end = &run->ready;
	run->ready_count = 0;
	run->no_more = true;
	pthread_cond_broadcast(&run->changed);
	uint64_t one = 1;
	ssize_t n = write(run->stop_fd, &one, sizeof(one));
	(void)n;
}

static void free_dropped(struct run *run, struct job *dropped)
{
	while (dropped) {
		struct job *next = dropped->next;
		memory_job_ends(&run->memory, job_held(dropped));
		job_free(dropped);
		dropped = next;
	}
	memory_shut(&run->memory);
	loop_wake(run->loop);
}

void run_stop_after(struct run *run, unsigned long long number)
{
	struct job *dropped;
	pthread_mutex_lock(&run->mutex);
	if (number < run->stop_at)
		run->stop_at = number;
	drop_ready(run, &dropped);
	pthread_mutex_unlock(&run->mutex);
	free_dropped(run, dropped);
}

void run_start_no_more(struct run *run)
{
	struct job *dropped;
	pthread_mutex_lock(&run->mutex);
	drop_ready(run, &dropped);
	pthread_mutex_unlock(&run->mutex);
	free_dropped(run, dropped);
}

/* What can be said before the job's turn: that later ones need not run. In order, the writer counts failures. */
static void consider_stop(struct job *job)
{
	struct run *run = job->run;
	const struct options *o = run->o;
	if (job->outcome == OUTCOME_BAD_INPUT || job->outcome == OUTCOME_NO_MEMORY)
		run_stop_after(run, job->number);
	else if (!job_failed(job) || o->halt == HALT_NEVER)
		return;
	else if (o->halt == HALT_AS_XARGS && job_status(job) != EXIT_FAILED)
		run_stop_after(run, job->number);
	else if (o->halt == HALT_NOW && o->halt_failures == 1)
		run_stop_after(run, job->number);
	else if (o->halt == HALT_SOON && o->halt_failures == 1)
		run_start_no_more(run);
}

void run_job_over(struct job *job)
{
	struct run *run = job->run;
	consider_stop(job);
	if (job->trace_row) {
		trace_span(run->trace, job->trace_row, "job", job->number, job->started, job->ended ? job->ended : now_ns());
		trace_row_put(run->trace, job->trace_row);
	}
	pthread_mutex_lock(&run->mutex);
	run->running--;
	pthread_mutex_unlock(&run->mutex);
	if (job->block_charge) {
		/* The input has been consumed. */
		job_drop_block(job);
		memory_give(&run->memory, job->block_charge);
		job->block_charge = 0;
	}
	run_submit(run);
	padata_do_serial(&job->padata);
}

/* -ECANCELED: everything has come to its end. */
static int start_child(struct job *job)
{
	struct run *run = job->run;
	/* Counted before the look at the end, so that the end either is seen here or waits for the child to be known. */
	atomic_fetch_add(&run->starting, 1);
	int error = atomic_load(&run->ending) ? -ECANCELED : child_start(job);
	atomic_fetch_sub(&run->starting, 1);
	return error;
}

static bool others_run(struct run *run)
{
	pthread_mutex_lock(&run->mutex);
	bool others = run->running > 1;
	pthread_mutex_unlock(&run->mutex);
	return others;
}

void job_parallel(struct padata_priv *padata)
{
	struct job *job = container_of(padata, struct job, padata);
	struct run *run = job->run;
	if (run_is_past(run, job)) {
		job->outcome = OUTCOME_SKIPPED;
		run_job_over(job);
		return;
	}
	if (run->o->dry_run) {
		job->outcome = OUTCOME_EXIT;
		run_job_over(job);
		return;
	}
	write_open_results(job);
	int error = start_child(job);
	if (error == 0) {
		loop_watch(job);
		return;
	}
	/* No process or descriptor to be had: when another job has ended there may be. */
	if ((error == -EAGAIN || error == -EMFILE || error == -ENFILE) && others_run(run)) {
		child_forget(job);
		job->tried--;
		loop_start_later(job);
		return;
	}
	if (error == -ECANCELED) {
		job->outcome = OUTCOME_SKIPPED;
	} else if (job->outcome != OUTCOME_BAD_INPUT) {
		job->outcome = OUTCOME_CANNOT_RUN;
		job->code = -error;
	}
	run_job_over(job);
}

static void job_serial(struct padata_priv *padata)
{
	struct job *job = container_of(padata, struct job, padata);
	struct run *run = job->run;
	pthread_mutex_lock(&run->out_mutex);
	int64_t began = run->trace ? now_ns() : 0;
	if (!run_is_past(run, job) && job->outcome != OUTCOME_SKIPPED)
		write_job(job);
	if (run->trace) {
		int64_t now = now_ns();
		trace_span(run->trace, TRACE_WRITING, "write", job->number, began, now);
		trace_count(run->trace, "memory held", now, memory_held(&run->memory));
	}
	pthread_mutex_lock(&run->mutex);
	run->oldest = job->next;
	if (!run->oldest)
		run->newest = &run->oldest;
	struct job *next = run->oldest;
	pthread_mutex_unlock(&run->mutex);

	size_t held = job_held(job);
	atomic_fetch_add(&run->jobs_done, 1);
	job_free(job);
	if (next) {
		pthread_mutex_lock(&next->mutex);
		next->oldest = true;
		pthread_mutex_unlock(&next->mutex);
		write_flow(next);
	}
	pthread_mutex_unlock(&run->out_mutex);
	memory_job_ends(&run->memory, held);
	pthread_mutex_lock(&run->mutex);
	/* The last one may find the engine taken down as soon as it lets go. */
	if (--run->outstanding == 0)
		pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->mutex);
}

static void flow_work(struct work_struct *work)
{
	struct run *run = container_of(work, struct run, flow);
	pthread_mutex_lock(&run->out_mutex);
	pthread_mutex_lock(&run->mutex);
	struct job *job = run->oldest;
	pthread_mutex_unlock(&run->mutex);
	/* Only the writer frees jobs, and that is this thread. */
	if (job)
		write_flow(job);
	pthread_mutex_unlock(&run->out_mutex);
}

/* As many tasks as the memory can hold jobs; so many are outstanding when the first one takes long. */
static unsigned int window(const struct run *run)
{
	size_t tasks = run->memory.limit / JOB_CHARGE / 2;
	return tasks > 65536 ? 65536 : tasks < 64 ? 64 : (unsigned int)tasks;
}

void run_start(struct run *run)
{
	INIT_WORK(&run->flow, flow_work);
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
	*p = (struct progress){ .in = atomic_load(&run->bytes_in), .size = run->input_size, .held = memory_held(&run->memory) };
	pthread_mutex_lock(&run->mutex);
	p->running = run->running;
	p->oldest = run->oldest ? oldest_age(run->oldest, now) : 0;
	pthread_mutex_unlock(&run->mutex);
}

/* Under mutex. The order of submission is that of the ready list, whichever thread submits. */
static bool submit_one(struct run *run)
{
	struct job *job = run->ready, *after = job->next;
	job->next = NULL;
	bool first = run->oldest == NULL;
	if (first) {
		pthread_mutex_lock(&job->mutex);
		job->oldest = true;
		pthread_mutex_unlock(&job->mutex);
	}
	*run->newest = job;
	struct job **newest = run->newest;
	run->newest = &job->next;
	run->ready = after;
	if (!after)
		run->ready_end = &run->ready;
	run->ready_count--;
	run->running++;
	run->outstanding++;
	job->padata.parallel = job_parallel;
	job->padata.serial = job_serial;
	struct cpus *cpus = &run->cpus;
	int error = padata_do_parallel(cpus->pinst, &job->padata, atomic_load(&cpus->cb_cpu));
	/* Another CPU to write on, but only when the last one has nothing left to write: the order is kept by one. */
	if (error == -EINVAL && run->outstanding == 1) {
		atomic_store(&cpus->cb_cpu, cpus_first(cpus));
		error = padata_do_parallel(cpus->pinst, &job->padata, atomic_load(&cpus->cb_cpu));
	}
	if (error == -EINPROGRESS)
		return true;
	*newest = NULL;
	run->newest = newest;
	job->next = after;
	job->oldest = false;
	run->ready = job;
	if (!after)
		run->ready_end = &job->next;
	run->ready_count++;
	run->running--;
	run->outstanding--;
	return false;
}

/* So many may wait for a slot: where they hold blocks, few. */
static unsigned int ready_most(const struct run *run)
{
	return run->unit ? 64 + run->slots : 2 + run->slots / 2;
}

void run_submit(struct run *run)
{
	bool wake = false;
	pthread_mutex_lock(&run->mutex);
	while (run->ready && run->running < run->slots) {
		if (!submit_one(run)) {
			wake = !run->busy;
			run->busy = true;
			break;
		}
		run->busy = false;
	}
	/* Not for each job: waking the reader costs more than what it does for one. */
	if (run->reader_waits && run->ready_count <= ready_most(run) / 2) {
		run->reader_waits = false;
		pthread_cond_broadcast(&run->changed);
	}
	pthread_mutex_unlock(&run->mutex);
	/* The loop tries again at its ticks. */
	if (wake)
		loop_wake(run->loop);
}

bool run_is_busy(struct run *run)
{
	pthread_mutex_lock(&run->mutex);
	bool busy = run->busy;
	pthread_mutex_unlock(&run->mutex);
	return busy;
}

void run_submit_again(struct run *run)
{
	if (run_is_busy(run))
		run_submit(run);
}

bool run_wants_more(struct run *run)
{
	pthread_mutex_lock(&run->mutex);
	bool wants = !run->no_more;
	pthread_mutex_unlock(&run->mutex);
	return wants;
}

bool run_add(struct run *run, struct job *job)
{
	if (run->trace)
		trace_span(run->trace, TRACE_READING, "read", job->number, run->reader_since, now_ns());
	memory_job_begins(&run->memory);
	pthread_mutex_lock(&run->mutex);
	if (run->ready_count >= ready_most(run))
		run->reader_waits = true;
	while (!run->no_more && run->reader_waits)
		pthread_cond_wait(&run->changed, &run->mutex);
	bool wanted = !run->no_more;
	if (wanted) {
		*run->ready_end = job;
		run->ready_end = &job->next;
		run->ready_count++;
	}
	pthread_mutex_unlock(&run->mutex);
	if (!wanted) {
		memory_job_ends(&run->memory, job_held(job));
		job_free(job);
		return false;
	}
	run_submit(run);
	if (run->trace)
		run->reader_since = now_ns();
	return true;
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

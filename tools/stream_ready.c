/* SPDX-License-Identifier: MIT */
/* The jobs that wait for a slot, in the order of the input: handed over, submitted, or dropped. */
#include "stream_loop.h"
#include "stream_run.h"
#include "stream_usage.h"

#include <errno.h>
#include <unistd.h>

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

bool run_is_past(struct run *run, const struct job *job)
{
	pthread_mutex_lock(&run->mutex);
	bool past = job->number > run->stop_at;
	pthread_mutex_unlock(&run->mutex);
	return past;
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
	/*
	 * Another CPU to write on, but only when the last one has nothing left to write: the order is kept by
	 * one.
	 */
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

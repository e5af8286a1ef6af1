/* SPDX-License-Identifier: MIT */
/* A job as a task of padata: its command is started in parallel, its output written in order. */
#include "stream_child.h"
#include "stream_loop.h"
#include "stream_run.h"
#include "stream_say.h"
#include "stream_usage.h"
#include "stream_write.h"

#include <errno.h>

bool run_may_flow(const struct job *job)
{
	return job->tried >= job->run->o->tries;
}

/*
 * What can be said before the job's turn: that later ones need not run. In order, the writer counts failures.
 */
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
		trace_span(run->trace, job->trace_row, "job", job->number, job->started,
			   job->ended ? job->ended : now_ns());
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
	/*
	 * Counted before the look at the end, so that the end either is seen here or waits for the child to
	 * be known.
	 */
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

void job_serial(struct padata_priv *padata)
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

void run_flow(struct work_struct *work)
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

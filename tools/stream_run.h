/* SPDX-License-Identifier: MIT */
#ifndef STREAM_RUN_H
#define STREAM_RUN_H

/* The engine of pipe and map: from the reader's jobs to their output in order. */

#include "stream_job.h"
#include "stream_util.h"

#include <sched.h>
#include <signal.h>
#include <sys/types.h>

/* What a held job costs beyond its bytes: so that many small ones are bounded too. */
#define JOB_CHARGE 2048u

struct template;
struct trace;

struct run {
	const struct options *o;
	struct padata_instance *pinst;
	struct workqueue_struct *wq;
	struct work_struct flow;
	atomic_int cb_cpu;
	cpu_set_t *child_cpus; /* where children may run */
	size_t child_cpus_size;
	sigset_t child_signals;
	bool child_ignores_sigpipe;
	int null_fd, input_fd;
	uint64_t input_size; /* 0: not known */
	const char *header;
	size_t header_length;
	struct template *template;
	char *path; /* of the command, when it is one for all jobs */
	size_t in_capacity, out_capacity; /* of the children's pipes */
	bool may_splice, may_flow;
	const char *unit; /* what map's records are called */

	pthread_mutex_t mutex;
	pthread_cond_t changed; /* memory, the ready list, or the end */
	/* Under mutex, from here on. */
	struct job *ready, **ready_end;
	unsigned int ready_count;
	struct job *oldest, **newest;
	unsigned long outstanding;
	unsigned int running, slots;
	bool input_ended, no_more, busy;
	unsigned long long stop_at; /* nothing after this job is written */
	unsigned long long failures, closed_early, jobs_done;
	int status;
	size_t held, peak, limit; /* bytes read and not yet written */
	uint64_t bytes_in, bytes_out;

	atomic_bool ending;
	pthread_mutex_t out_mutex; /* the writer's */
	struct loop *loop;
	struct trace *trace;
	int joblog_fd;
	int64_t began;
};

/*
 * Make the engine ready for the options; the reader then sets what it knows of
 * the input (input_fd, header, ...) and hands over jobs.
 */
void run_open(struct run *run, const struct options *o);
/* Start the event loop and the workers' instance. */
void run_start(struct run *run);
/* Hand over the next job; false: no more are wanted, and the job has been freed. */
bool run_add(struct run *run, struct job *job);
/* No more input: wait for the end of everything, and say with which status to exit. */
int run_finish(struct run *run);
/* The input cannot be read any further. What came before still runs. */
void run_input_failed(struct run *run);
bool run_wants_more(struct run *run);

/*
 * Memory. A take waits until the bytes are within the bound, or until nothing
 * that could give any back is outstanding; false: no more input is wanted.
 */
bool run_take(struct run *run, size_t bytes);
bool run_try_take(struct run *run, size_t bytes);
void run_give(struct run *run, size_t bytes);

/* Submit what is ready as far as there are slots. Any thread. */
void run_submit(struct run *run);
/* The child is gone, or never was: free its slot, and complete the task. Any thread. */
void run_job_over(struct job *job);
/* Whether the job comes after one that stopped everything. */
bool run_is_past(struct run *run, const struct job *job);
/* End all children and the program: for a signal, and for output that cannot be written. */
void run_end(struct run *run, int status, int sig) __attribute__((__noreturn__));
void run_signal_children(struct run *run, int sig);

#endif

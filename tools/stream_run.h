/* SPDX-License-Identifier: MIT */
#ifndef STREAM_RUN_H
#define STREAM_RUN_H

/*
 * The engine of pipe and map: from the reader's jobs to their output in order.
 * Locks, outermost first: out_mutex, mutex, a job's mutex, the loop's, memory's.
 */

#include "stream_cpus.h"
#include "stream_job.h"
#include "stream_memory.h"
#include "stream_trace.h"

#include <signal.h>
#include <sys/types.h>

/* What a held job costs beyond its bytes: so that many small ones are bounded too. */
#define JOB_CHARGE 2048u

struct input;
struct loop;
struct template;

struct run {
	const struct options *o;
	struct cpus cpus;
	struct work_struct flow;
	sigset_t child_signals;
	bool child_ignores_sigpipe;
	int null_fd, input_fd;
	int stop_fd;	     /* readable when no more input is wanted */
	uint64_t input_size; /* 0: not known */
	const char *header;
	size_t header_length;
	struct template *template;
	char *path;			  /* of the command, when it is one for all jobs */
	size_t in_capacity, out_capacity; /* of the children's pipes */
	bool may_splice;
	unsigned long long numbered; /* the reader's */
	const char *unit;	     /* what map's records are called; NULL: the input is bytes */
	int64_t began;
	struct memory memory;
	struct loop *loop;
	struct trace *trace;
	int64_t reader_since; /* the reader's: when the last job was handed over */
	atomic_bool ending;
	atomic_uint starting; /* children whose process is not known yet */
	atomic_ulong bytes_in, bytes_out, jobs_done;

	pthread_mutex_t mutex;
	pthread_cond_t changed; /* the ready list has room, or all is over */
	/* Under mutex. */
	struct job *ready, **ready_end;
	unsigned int ready_count;
	struct job *oldest, **newest;
	unsigned int running, slots;
	unsigned long outstanding;
	bool reader_waits, no_more, busy;
	unsigned long long stop_at; /* nothing after this job is written */
	int status;

	pthread_mutex_t out_mutex;
	/* Under out_mutex. */
	unsigned long long failures, closed_early;
	bool mid_line;
	int joblog_fd;
};

/* Make the engine ready; the reader then sets what it knows of the input. */
void run_open(struct run *run, const struct options *o);
/* Start the event loop and the workers. */
void run_start(struct run *run);
/*
 * Hand over the next job, its memory charged; false: no more are wanted. The job is the engine's either way.
 */
bool run_add(struct run *run, struct job *job);
/* No more input: wait for the end of everything, and return the status to exit with. */
int run_finish(struct run *run, struct input *input);
/* Free a job that was not handed over. */
void run_drop(struct job *job);
/* The input cannot be read any further; what came before still runs. */
void run_input_failed(struct run *run);
bool run_wants_more(struct run *run);
/* What a block or record may have at most. */
size_t run_longest(const struct run *run);
/* What a job needs beside its input and its words. */
size_t run_job_charge(const struct run *run);
/*
 * Take the memory of a job with so much input, and make its words. False: nothing more is wanted, or it can
 * never be had.
 */
bool run_charge_job(struct job *job, size_t input, char *const *args, size_t count);

/* Submit what is ready as far as there are slots; again: only where that failed before. Any thread. */
void run_submit(struct run *run);
void run_submit_again(struct run *run);
bool run_is_busy(struct run *run);
/* The child is gone, or never was: free its slot and complete the task. Any thread. */
void run_job_over(struct job *job);
/* Whether the job comes after one that stopped everything. */
bool run_is_past(struct run *run, const struct job *job);
/* Nothing after this job; and: what has started goes on, but nothing more is begun. */
void run_stop_after(struct run *run, unsigned long long number);
void run_start_no_more(struct run *run);
/* May it be written before it has ended? */
bool run_may_flow(const struct job *job);
/* The task's two halves; and between them, for the oldest job: write what there is. */
void job_parallel(struct padata_priv *padata);
void job_serial(struct padata_priv *padata);
void run_flow(struct work_struct *work);

struct progress;
/* How far it is. Any thread. */
void run_progress(struct run *run, int64_t now, struct progress *p);
/* Other CPUs, of a list; argument: the run. 0 or -errno. Sleeps until what is running is done. */
int run_change_cpus(void *argument, const char *list);

/* End all children and the program at once, by the signal or with the status. */
void run_end(struct run *run, int status, int sig) __attribute__((__noreturn__));
void run_signal_children(struct run *run, int sig);

#endif

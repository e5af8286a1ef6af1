/* SPDX-License-Identifier: MIT */
#ifndef STREAM_JOB_H
#define STREAM_JOB_H

/*
 * A job is one run of the command: a padata task from the moment it is
 * submitted until its output has been written.
 *
 *   reader thread          makes jobs, in order, and hands them to the engine
 *   a padata worker        parallel(): starts the child, with as much input in its pipe as that takes
 *   event loop thread      feeds and drains the pipes of running children, sees their end
 *   the worker of cb_cpu   serial(): writes. So does the flow work, for the oldest job while it still runs
 *
 * The oldest job's output never waits in memory for another's, so whatever the
 * bound on memory is, the oldest job comes to its end, and then the next.
 */

#include "stream_opt.h"

#include <linux/padata.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

struct run;

/* Output that was taken from a child's pipe before its turn to be written. */
struct chunk {
	struct chunk *next;
	size_t length;
	char bytes[];
};

/*
 * An end of a child's pipe. Small transfers are cheaper by the tick than by a
 * wake-up each, large ones the other way round: a port is armed in epoll, for
 * one event, as long as the last transfer was large.
 */
struct port {
	int fd;
	bool armed, known; /* known: epoll has it, armed or not */
};

enum outcome {
	OUTCOME_NONE,
	OUTCOME_EXIT,	    /* code: the exit status */
	OUTCOME_KILLED,	    /* code: the signal */
	OUTCOME_TIMEOUT,    /* likewise, by --timeout */
	OUTCOME_CANNOT_RUN, /* code: errno */
	OUTCOME_BAD_INPUT,  /* code: errno of reading its part of the file */
	OUTCOME_NO_MEMORY,  /* --retries needs the output in memory, and it does not fit */
	OUTCOME_SKIPPED,    /* a job before it stopped everything */
};

struct job {
	struct padata_priv padata;
	struct work_struct again; /* to start it once more */
	struct run *run;
	struct job *next;	   /* ready, then outstanding, in order */
	unsigned long long number; /* from 1 */

	/* Where its input is: bytes for pipe, records for map. */
	uint64_t at, length;
	char *block;  /* NULL: the bytes are read from the file */
	char *buffer; /* that the block is in, to be put back; NULL: the block is its own */
	size_t buffer_room;
	size_t charge;	     /* of the job and its words */
	size_t block_charge; /* of its input, until that has been consumed */
	char **words;	     /* the command, one allocation; NULL: the run's own */
	char *tag;

	/* The loop's, once the child has started. */
	struct job *running_next;
	struct port in, out, err;
	int in_reader; /* kept open: tells what the command left unread */
	int pidfd;
	uint64_t fed; /* header and block */
	bool exited, lingering, terminated;
	char *err_line; /* the start of a line of standard error whose end has not come */
	size_t err_length;
	int64_t started, ended, terminated_at, flowed_at;
	int64_t timed_from; /* when it started, later by the time that it was stopped */
	unsigned int tried;
	int trace_row;

	/* Under mutex. */
	pthread_mutex_t mutex;
	pid_t pid;	   /* 0: no child to be killed */
	bool oldest, over; /* over: the loop is done with it */
	struct chunk *chunks, **chunks_end;
	size_t chunks_charge;
	bool pipe_reserved;

	/* Set before padata_do_serial(). */
	enum outcome outcome;
	int code;
	uint64_t unread;

	/* The writer's. */
	bool mid_line;
	int result_fd, result_err_fd;
	uint64_t written;
};

/* A job for the reader to fill in. */
struct job *job_new(struct run *run);
void job_free(struct job *job);

/* Free its input. */
void job_drop_block(struct job *job);

/* "job 3 (bytes 0 to 99)", for messages. */
void job_where(const struct job *job, char *text, size_t size);
/* What became of it: "killed by signal 9 (Killed)". */
void job_fate(const struct job *job, char *text, size_t size);
/* What it holds of the run's memory. */
size_t job_held(const struct job *job);
bool job_failed(const struct job *job);
/* The exit status that the outcome stands for, as xargs has it; 0 for success. */
int job_status(const struct job *job);

#endif

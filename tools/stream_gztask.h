/* SPDX-License-Identifier: MIT */
#ifndef STREAM_GZTASK_H
#define STREAM_GZTASK_H

/*
 * Work in process, in order: the reader gets a task, fills it, submits it; a
 * worker does its work; the writer writes what came out, and the task is free
 * again. As many tasks as there are bound the memory.
 */

#include "stream_bar.h"
#include "stream_cpus.h"
#include "stream_opt.h"

#include <linux/padata.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

struct gzrun;

struct gztask {
	struct padata_priv padata;
	struct gzrun *run;
	struct gztask *next; /* free, or outstanding */
	int64_t began;	     /* when it was submitted */
	void (*work)(struct gztask *task);
	char *in, *out;
	size_t in_room, in_length, out_room, out_length;
	int in_file; /* the worker reads in_length bytes at `at` from it; -1: they are there */
	uint64_t at; /* where in the input */
	unsigned long number;
	const char *error; /* what is wrong behind the output */
	int error_number;
};

struct gzrun {
	const struct options *o;
	struct cpus cpus;
	struct gzwatch *watch;
	const char *name; /* of the input */
	uint64_t size;	  /* of the input; 0: not known */
	size_t task_size;
	int64_t began;
	struct trace *trace;
	int64_t reader_since; /* the reader's: when it got its task */
	unsigned long submitted;
	atomic_size_t held, held_peak;

	pthread_mutex_t mutex;
	pthread_cond_t changed;
	/* Under mutex. */
	struct gztask *free_tasks;
	unsigned int tasks, most_tasks;
	bool failed;
	uint64_t bytes_in, bytes_out;
	unsigned long done;
	struct gztask *oldest, **newest; /* outstanding, in order */
};

/* Each task may come to hold so many bytes; the input has so many, or 0. */
void gzrun_open(struct gzrun *run, const struct options *o, size_t task_size, uint64_t size);
/* Wait for the end of all; the exit status. */
int gzrun_close(struct gzrun *run);

/* A task to fill in; NULL: a failure has been told, and nothing more is wanted. The reader. */
struct gztask *gzrun_get(struct gzrun *run);
void gzrun_submit(struct gzrun *run, struct gztask *task);
/* In place of more input: what is wrong with it, told when its turn comes. */
void gzrun_fail(struct gzrun *run, uint64_t at, const char *error, int error_number);
/* How far it is. Any thread. */
void gzrun_progress(struct gzrun *run, int64_t now, struct progress *p);
/* Other CPUs, of a list; argument: the run. 0 or -errno. Sleeps until what is under way is done. */
int gzrun_change_cpus(void *argument, const char *list);
/* So much more is held, or less. */
void gzrun_hold(struct gzrun *run, size_t more, size_t less);
/* Have room for so many bytes in one of the task's two buffers; what is in it may be lost. */
void gztask_need(struct gztask *task, char **buffer, size_t *room, size_t bytes);
/* In a worker: have the input in memory. False: it cannot be read, and error says so. */
bool gztask_read(struct gztask *task);

/* The two halves of the subcommand: read everything that fd gives. */
void gzip_read(struct gzrun *run, int fd);
void gunzip_read(struct gzrun *run, int fd);
/* What a task of the latter holds at least, in and out. */
size_t gunzip_task_size(size_t memory);

#endif

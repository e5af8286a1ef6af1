/* SPDX-License-Identifier: MIT */
#include "stream_alloc.h"
#include "stream_buffer.h"
#include "stream_run.h"
#include "stream_say.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct job *job_new(struct run *run)
{
	struct job *job = must_alloc(sizeof(*job));
	*job = (struct job){.run = run,
			    .number = ++run->numbered,
			    .in.fd = -1,
			    .out.fd = -1,
			    .err.fd = -1,
			    .in_reader = -1,
			    .pidfd = -1,
			    .result_fd = -1,
			    .result_err_fd = -1};
	pthread_mutex_init(&job->mutex, NULL);
	job->chunks_end = &job->chunks;
	return job;
}

void job_drop_block(struct job *job)
{
	if (job->buffer)
		buffer_put(job->buffer, job->buffer_room);
	else
		free(job->block);
	job->block = job->buffer = NULL;
}

void job_free(struct job *job)
{
	int fds[] = {job->in.fd, job->out.fd,	 job->err.fd,	    job->in_reader,
		     job->pidfd, job->result_fd, job->result_err_fd};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	while (job->chunks) {
		struct chunk *chunk = job->chunks;
		job->chunks = chunk->next;
		free(chunk);
	}
	pthread_mutex_destroy(&job->mutex);
	job_drop_block(job);
	free(job->words);
	free(job->tag);
	free(job->err_line);
	free(job);
}

void job_where(const struct job *job, char *text, size_t size)
{
	const char *unit = job->run->unit;
	if (!unit)
		snprintf(text, size, "job %llu (bytes %" PRIu64 " to %" PRIu64 ")", job->number, job->at,
			 job->length ? job->at + job->length - 1 : job->at);
	else if (job->length > 1)
		snprintf(text, size, "job %llu (%ss %" PRIu64 " to %" PRIu64 ")", job->number, unit,
			 job->at + 1, job->at + job->length);
	else
		snprintf(text, size, "job %llu (%s %" PRIu64 ")", job->number, unit, job->at + 1);
}

size_t job_held(const struct job *job)
{
	return job->charge + job->block_charge + job->chunks_charge +
	       (job->pipe_reserved ? job->run->out_capacity : 0);
}

bool job_failed(const struct job *job)
{
	return job->outcome > OUTCOME_EXIT || (job->outcome == OUTCOME_EXIT && job->code != 0);
}

int job_status(const struct job *job)
{
	switch (job->outcome) {
	case OUTCOME_EXIT:
		return job->code == 0 ? 0 : job->code == 255 ? EXIT_255 : EXIT_FAILED;
	case OUTCOME_KILLED:
	case OUTCOME_TIMEOUT:
		return EXIT_KILLED;
	case OUTCOME_CANNOT_RUN:
		return job->code == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
	case OUTCOME_BAD_INPUT:
	case OUTCOME_NO_MEMORY:
		return EXIT_ERROR;
	default:
		return 0;
	}
}

void job_fate(const struct job *job, char *text, size_t size)
{
	switch (job->outcome) {
	case OUTCOME_EXIT:
		snprintf(text, size, "exit status %d", job->code);
		break;
	case OUTCOME_KILLED:
		snprintf(text, size, "killed by signal %d (%s)", job->code, strsignal(job->code));
		break;
	case OUTCOME_TIMEOUT:
		snprintf(text, size, "ended, as it ran longer than --timeout %g s", job->run->o->timeout);
		break;
	case OUTCOME_CANNOT_RUN:
		snprintf(text, size, job->code == ENOENT ? "not found" : "cannot be run: %s",
			 strerror(job->code));
		break;
	case OUTCOME_BAD_INPUT:
		snprintf(text, size, "its input cannot be read: %s",
			 job->code ? strerror(job->code) : "the file has become shorter");
		break;
	case OUTCOME_NO_MEMORY:
		snprintf(text, size, "its output is more than --memory %zu, and --retries holds it there",
			 job->run->o->memory);
		break;
	default:
		snprintf(text, size, "not run");
		break;
	}
}

/* SPDX-License-Identifier: MIT */
#include "stream_errors.h"
#include "stream_alloc.h"
#include "stream_child.h"
#include "stream_io.h"
#include "stream_say.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In one write, with the job's tag before it; a line that has no end gets one. */
static void pass_tagged(const struct job *job, const char *bytes, size_t length)
{
	size_t tag = strlen(job->tag);
	while (length) {
		const char *end = memchr(bytes, '\n', length);
		size_t n = end ? (size_t)(end - bytes) : length, used = end ? n + 1 : n;
		char *line = must_alloc(tag + n + 2);
		memcpy(line, job->tag, tag);
		line[tag] = '\t';
		memcpy(line + tag + 1, bytes, n);
		line[tag + 1 + n] = '\n';
		stderr_lines(line, tag + n + 2);
		free(line);
		bytes += used;
		length -= used;
	}
}

static void pass(struct job *job, size_t length, bool end_it)
{
	if (!length)
		return;
	if (job->run->o->tag) {
		pass_tagged(job, job->err_line, length);
	} else {
		size_t ended = length;
		/* There is room for it behind what was read. */
		if (end_it && length == job->err_length && job->err_line[length - 1] != '\n')
			job->err_line[ended++] = '\n';
		stderr_lines(job->err_line, ended);
	}
	job->err_length -= length;
	memmove(job->err_line, job->err_line + length, job->err_length);
	memory_give(&job->run->memory, length);
}

static void keep_result(struct job *job, const char *bytes, size_t length)
{
	int error = job->result_err_fd >= 0 ? write_all(job->result_err_fd, bytes, length) : 0;
	char where[128];
	if (!error)
		return;
	job_where(job, where, sizeof(where));
	say("%s: --results cannot be written: %s", where, strerror(-error));
	run_end(job->run, EXIT_ERROR, 0);
}

/* Where there is no memory for a line that waits for its end. */
static void pass_in_pieces(struct job *job, size_t length)
{
	char piece[4096];
	while (length) {
		ssize_t n = read(job->err.fd, piece, length < sizeof(piece) ? length : sizeof(piece));
		if (n <= 0)
			return;
		keep_result(job, piece, (size_t)n);
		if (job->run->o->tag)
			pass_tagged(job, piece, (size_t)n);
		else
			stderr_lines(piece, (size_t)n);
		length -= (size_t)n;
	}
}

static void take(struct job *job, size_t length)
{
	job->err_line = must_realloc(job->err_line, job->err_length + length + 1);
	ssize_t got = read(job->err.fd, job->err_line + job->err_length, length);
	size_t n = got > 0 ? (size_t)got : 0;
	memory_give(&job->run->memory, length - n);
	keep_result(job, job->err_line + job->err_length, n);
	job->err_length += n;
}

size_t errors_pass(struct job *job, bool last)
{
	size_t there = job->err.fd >= 0 ? pipe_holds(job->err.fd) : 0;
	if (there && !memory_try_take(&job->run->memory, there)) {
		pass(job, job->err_length, false);
		pass_in_pieces(job, there);
	} else if (there) {
		take(job, there);
	}
	const char *end = job->err_length && !last ? memrchr(job->err_line, '\n', job->err_length) : NULL;
	if (last)
		pass(job, job->err_length, true);
	else if (end)
		pass(job, (size_t)(end - job->err_line) + 1, false);
	if (!job->err_length) {
		free(job->err_line);
		job->err_line = NULL;
	}
	return there;
}

/* SPDX-License-Identifier: MIT */
#include "stream_child.h"
#include "stream_alloc.h"
#include "stream_errors.h"
#include "stream_io.h"
#include "stream_loop.h"
#include "stream_say.h"
#include "stream_spawn.h"
#include "stream_template.h"
#include "stream_usage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

size_t pipe_holds(int fd)
{
	int n = 0;
	return ioctl(fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

bool pipe_is_closed(int fd)
{
	struct pollfd p = {.fd = fd};
	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

bool child_is_fed(const struct job *job)
{
	return job->run->unit || job->fed == job->run->header_length + job->length;
}

/* A file whose pages cannot be moved into a pipe is copied. */
static ssize_t feed_copy(struct job *job, uint64_t at, uint64_t left)
{
	char bytes[65536];
	ssize_t got = pread_all(job->run->input_fd, bytes,
				left < sizeof(bytes) ? (size_t)left : sizeof(bytes), (off_t)at);
	if (got <= 0) {
		errno = got < 0 ? (int)-got : 0;
		return got < 0 ? -1 : 0;
	}
	return write(job->in.fd, bytes, (size_t)got);
}

static ssize_t feed_some(struct job *job)
{
	struct run *run = job->run;
	if (job->fed < run->header_length)
		return write(job->in.fd, run->header + job->fed, run->header_length - job->fed);
	uint64_t done = job->fed - run->header_length, left = job->length - done;
	if (job->block)
		return write(job->in.fd, job->block + done, (size_t)left);
	off_t at = (off_t)(job->at + done);
	ssize_t n =
	    splice(run->input_fd, &at, job->in.fd, NULL, (size_t)left, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	if (n < 0 && errno == EINVAL)
		return feed_copy(job, job->at + done, left);
	return n;
}

size_t child_feed(struct job *job)
{
	size_t moved = 0;
	while (job->in.fd >= 0 && !child_is_fed(job)) {
		ssize_t n = feed_some(job);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			job->outcome = OUTCOME_BAD_INPUT;
			job->code = n < 0 ? errno : 0;
			break;
		}
		moved += (size_t)n;
		job->fed += (uint64_t)n;
	}
	if (child_is_fed(job) || job->outcome == OUTCOME_BAD_INPUT) {
		loop_forget(job->run, &job->in);
		shut(&job->in.fd);
		if (job->tried >= job->run->o->tries)
			job_drop_block(job);
	}
	return moved;
}

static void enlarge(int fd, size_t capacity)
{
	/* What a user may have in pipes is limited; a small pipe only costs more wake-ups. */
	if (capacity > 65536 || capacity < 65536)
		fcntl(fd, F_SETPIPE_SZ, (int)capacity);
}

static int open_pipes(struct job *job, int child_end[3])
{
	struct run *run = job->run;
	int fds[2];
	child_end[0] = run->null_fd;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	job->out.fd = fds[0];
	child_end[1] = fds[1];
	enlarge(fds[0], run->out_capacity);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	job->err.fd = fds[0];
	child_end[2] = fds[1];
	if (run->unit)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	job->in_reader = child_end[0] = fds[0];
	job->in.fd = fds[1];
	enlarge(fds[1], run->in_capacity);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	return 0;
}

static int start(struct job *job, int child_end[3])
{
	struct run *run = job->run;
	char *found = NULL;
	int error = open_pipes(job, child_end);
	if (error)
		return error;
	child_feed(job);
	if (job->outcome == OUTCOME_BAD_INPUT)
		return -EIO;
	unsigned long cpus[run->cpus.size / sizeof(unsigned long)];
	cpus_get(&run->cpus, (cpu_set_t *)cpus);
	struct spawn spawn = {
	    .path = run->path,
	    .words = job->words ? job->words : template_words(run->template),
	    .in = child_end[0],
	    .out = child_end[1],
	    .err = child_end[2],
	    .cpus = (cpu_set_t *)cpus,
	    .cpus_size = run->cpus.size,
	    .signals = &run->child_signals,
	    .ignore_sigpipe = run->child_ignores_sigpipe,
	};
	if (!spawn.path) {
		found = spawn_find(spawn.words[0]);
		if (!found)
			return -errno;
		spawn.path = found;
	}
	/* In this order: whoever had the row before ended before this one started. */
	job->trace_row = trace_row_get(run->trace, run->trace ? sched_getcpu() : 0);
	job->started = job->timed_from = now_ns();
	pid_t pid = spawn_start(&spawn, &job->pidfd);
	free(found);
	if (pid < 0)
		return pid;
	pthread_mutex_lock(&job->mutex);
	job->pid = pid;
	pthread_mutex_unlock(&job->mutex);
	return 0;
}

int child_start(struct job *job)
{
	int child_end[3] = {-1, -1, -1};
	pthread_mutex_lock(&job->mutex);
	job->tried++;
	pthread_mutex_unlock(&job->mutex);
	int error = start(job, child_end);
	if (child_end[1] >= 0)
		close(child_end[1]);
	if (child_end[2] >= 0)
		close(child_end[2]);
	return error;
}

static void keep_chunk(struct job *job, struct chunk *chunk)
{
	chunk->next = NULL;
	*job->chunks_end = chunk;
	job->chunks_end = &chunk->next;
}

/* Not more than what is there, so the read does not sleep. */
static size_t take_chunk(struct job *job, size_t length)
{
	struct chunk *chunk = must_alloc(sizeof(*chunk) + length);
	ssize_t got = read(job->out.fd, chunk->bytes, length);
	if (got <= 0) {
		free(chunk);
		return 0;
	}
	chunk->length = (size_t)got;
	keep_chunk(job, chunk);
	return (size_t)got;
}

size_t child_drain(struct job *job)
{
	size_t there = pipe_holds(job->out.fd);
	if (!there || !memory_try_take(&job->run->memory, there))
		return 0;
	size_t got = take_chunk(job, there);
	memory_give(&job->run->memory, there - got);
	job->chunks_charge += got;
	return got;
}

size_t child_take_rest(struct job *job, size_t there)
{
	return there ? take_chunk(job, there) : 0;
}

void child_signal(struct job *job, int sig)
{
	pthread_mutex_lock(&job->mutex);
	if (job->pid > 0)
		kill(-job->pid, sig);
	pthread_mutex_unlock(&job->mutex);
}

void child_reap(struct job *job)
{
	int status = 0;
	pthread_mutex_lock(&job->mutex);
	while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR)
		;
	job->pid = 0;
	pthread_mutex_unlock(&job->mutex);
	job->ended = now_ns();
	if (job->outcome == OUTCOME_NONE || job->outcome == OUTCOME_EXIT) {
		job->outcome = WIFSIGNALED(status) ? OUTCOME_KILLED : OUTCOME_EXIT;
		job->code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
	}
	if (job->in_reader >= 0)
		job->unread = pipe_holds(job->in_reader) + job->run->header_length + job->length - job->fed;
	loop_forget(job->run, &job->in);
	loop_forget(job->run, &job->err);
	errors_pass(job, true);
	shut(&job->in.fd);
	shut(&job->in_reader);
	shut(&job->err.fd);
	shut(&job->pidfd);
}

void child_forget(struct job *job)
{
	loop_forget(job->run, &job->out);
	shut(&job->out.fd);
	shut(&job->in.fd);
	shut(&job->in_reader);
	shut(&job->err.fd);
	pthread_mutex_lock(&job->mutex);
	while (job->chunks) {
		struct chunk *chunk = job->chunks;
		job->chunks = chunk->next;
		free(chunk);
	}
	job->chunks_end = &job->chunks;
	memory_give(&job->run->memory, job->chunks_charge);
	job->chunks_charge = 0;
	pthread_mutex_unlock(&job->mutex);
	trace_row_put(job->run->trace, job->trace_row);
	job->trace_row = 0;
	job->fed = 0;
	job->exited = job->lingering = job->terminated = job->over = false;
	job->outcome = OUTCOME_NONE;
	job->code = 0;
}

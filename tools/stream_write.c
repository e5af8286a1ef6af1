/* SPDX-License-Identifier: MIT */
#include "stream_write.h"
#include "stream_child.h"
#include "stream_io.h"
#include "stream_log.h"
#include "stream_loop.h"
#include "stream_say.h"
#include "stream_template.h"
#include "stream_usage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

static bool stdout_is_terminal;

static void cannot_write(struct job *job, const char *what, int error)
{
	char where[128];
	if (error == EPIPE)
		run_end(job->run, EXIT_ERROR, SIGPIPE);
	job_where(job, where, sizeof(where));
	say("%s: %s: %s", where, what, strerror(error));
	run_end(job->run, EXIT_ERROR, 0);
}

static void put(struct job *job, const char *bytes, size_t length)
{
	/* Where both are the same terminal, the progress line is taken off it first. */
	if (stdout_is_terminal)
		stderr_lock();
	int error = write_all(STDOUT_FILENO, bytes, length);
	if (stdout_is_terminal)
		stderr_unlock();
	if (error)
		cannot_write(job, "its output cannot be written", -error);
}

static void put_tagged(struct job *job, const char *bytes, size_t length)
{
	size_t tag = strlen(job->tag);
	while (length) {
		if (!job->mid_line) {
			put(job, job->tag, tag);
			put(job, "\t", 1);
		}
		const char *end = memchr(bytes, '\n', length);
		size_t n = end ? (size_t)(end - bytes) + 1 : length;
		put(job, bytes, n);
		job->mid_line = end == NULL;
		bytes += n;
		length -= n;
	}
}

static void put_bytes(struct job *job, const char *bytes, size_t length)
{
	job->written += length;
	atomic_fetch_add(&job->run->bytes_out, length);
	if (job->result_fd >= 0) {
		int error = write_all(job->result_fd, bytes, length);
		if (error)
			cannot_write(job, "--results cannot be written", -error);
	}
	if (job->run->o->tag)
		put_tagged(job, bytes, length);
	else
		put(job, bytes, length);
}

/* The bytes are in the pipe, so nothing here waits for the command; for standard output it may. */
static size_t copy(struct job *job, int from, size_t length)
{
	char bytes[65536];
	size_t done = 0;
	while (done < length) {
		ssize_t n = read(from, bytes, length - done < sizeof(bytes) ? length - done : sizeof(bytes));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		put_bytes(job, bytes, (size_t)n);
		done += (size_t)n;
	}
	return done;
}

/* Pages move from pipe to pipe uncopied; where standard output takes none, they are copied. */
static size_t move(struct job *job, int from, size_t length)
{
	struct run *run = job->run;
	size_t done = 0;
	while (run->may_splice && done < length) {
		ssize_t n = splice(from, NULL, STDOUT_FILENO, NULL, length - done, SPLICE_F_MOVE);
		if (n > 0) {
			done += (size_t)n;
			job->written += (uint64_t)n;
			atomic_fetch_add(&run->bytes_out, (unsigned long)n);
		} else if (n == 0) {
			return done;
		} else if (errno == EINVAL) {
			run->may_splice = false;
		} else if (errno == EAGAIN) {
			struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
			poll(&p, 1, -1);
		} else if (errno != EINTR) {
			cannot_write(job, "its output cannot be written", errno);
		}
	}
	return done + copy(job, from, length - done);
}

static size_t write_pipe(struct job *job, int from)
{
	size_t moved = 0, there;
	while ((there = pipe_holds(from)) > 0) {
		size_t n = move(job, from, there);
		if (n == 0)
			break;
		moved += n;
	}
	return moved;
}

static void write_chunks(struct job *job)
{
	for (;;) {
		pthread_mutex_lock(&job->mutex);
		struct chunk *chunk = job->chunks;
		if (chunk) {
			job->chunks = chunk->next;
			if (!chunk->next)
				job->chunks_end = &job->chunks;
		}
		pthread_mutex_unlock(&job->mutex);
		if (!chunk)
			return;
		put_bytes(job, chunk->bytes, chunk->length);
		size_t length = chunk->length;
		free(chunk);
		pthread_mutex_lock(&job->mutex);
		size_t charged = length < job->chunks_charge ? length : job->chunks_charge;
		job->chunks_charge -= charged;
		pthread_mutex_unlock(&job->mutex);
		memory_give(&job->run->memory, charged);
	}
}

void write_flow(struct job *job)
{
	struct run *run = job->run;
	bool past = run_is_past(run, job);
	pthread_mutex_lock(&job->mutex);
	/* The loop leaves the output of the oldest job alone, so it is the writer's from here on. */
	bool flows = job->oldest && job->pid > 0 && run_may_flow(job) && !past;
	int from = flows ? job->out.fd : -1;
	pthread_mutex_unlock(&job->mutex);
	if (!flows)
		return;
	int64_t began = now_ns();
	write_chunks(job);
	size_t moved = write_pipe(job, from);
	if (moved)
		trace_span(run->trace, TRACE_WRITING, "flow", job->number, began, now_ns());
	pthread_mutex_lock(&job->mutex);
	job->flowed_at = now_ns();
	if (moved >= loop_large(run->out_capacity) && !job->over)
		loop_arm(run, job, &job->out, EPOLLIN);
	pthread_mutex_unlock(&job->mutex);
}

/* The first failure gives the status, but the graver ones come before a plain failure. */
static void note_status(struct run *run, int status)
{
	pthread_mutex_lock(&run->mutex);
	if (!run->status || (run->status == EXIT_FAILED && status > EXIT_FAILED))
		run->status = status;
	pthread_mutex_unlock(&run->mutex);
}

static void say_failure(struct job *job)
{
	char where[128], fate[256];
	char *const *words = job->words ? job->words : NULL;
	const char *program = words ? words[0] : job->run->o->command[0];
	job_where(job, where, sizeof(where));
	job_fate(job, fate, sizeof(fate));
	say("%s: %s: %s", where, program, fate);
}

static void note_failure(struct job *job)
{
	struct run *run = job->run;
	const struct options *o = run->o;
	int status = job_status(job);
	bool asked = o->halt == HALT_NOW || o->halt == HALT_SOON;
	run->failures++;
	/* A filter that finds nothing fails, so a plain failure is only told by the exit status. */
	if (status != EXIT_FAILED || (asked && run->failures == o->halt_failures))
		say_failure(job);
	note_status(run, status);
	if (asked && run->failures == o->halt_failures && o->halt_failures > 1) {
		if (o->halt == HALT_NOW)
			run_stop_after(run, job->number);
		else
			run_start_no_more(run);
	}
}

static void write_command(struct job *job)
{
	struct text text = {0};
	template_quoted(job, &text);
	text_add(&text, "\n", 1);
	put_bytes(job, text.bytes, text.length);
	free(text.bytes);
}

void write_job(struct job *job)
{
	struct run *run = job->run;
	if (run->o->dry_run)
		write_command(job);
	write_chunks(job);
	if (job->out.fd >= 0)
		write_pipe(job, job->out.fd);
	/* The next line is another job's, with a tag of its own. */
	if (job->mid_line)
		put(job, "\n", 1);
	if (job_failed(job)) {
		note_failure(job);
	} else if (job->unread && run->closed_early++ == 0) {
		char where[128];
		job_where(job, where, sizeof(where));
		say("%s: %s: ended with %llu bytes of its input unread", where, run->o->command[0],
		    (unsigned long long)job->unread);
	}
	log_job(job);
}

void write_open(struct run *run)
{
	stdout_is_terminal = isatty(STDOUT_FILENO);
	log_open(run);
	if (run->o->results && mkdir(run->o->results, 0777) < 0 && errno != EEXIST)
		die("--results %s: %s", run->o->results, strerror(errno));
	if (!run->unit)
		fcntl(STDOUT_FILENO, F_SETPIPE_SZ, 1 << 20);
}

void write_close(struct run *run)
{
	if (run->closed_early > 1)
		say("%llu jobs in all ended with some of their input unread", run->closed_early);
	log_close(run);
}

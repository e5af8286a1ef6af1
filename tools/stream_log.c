/* SPDX-License-Identifier: MIT */
#include "stream_log.h"
#include "stream_io.h"
#include "stream_say.h"
#include "stream_template.h"
#include "stream_usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void log_open(struct run *run)
{
	static const char head[] =
	    "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";
	const char *name = run->o->joblog;
	if (!name)
		return;
	run->joblog_fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int error = run->joblog_fd < 0 ? -errno : write_all(run->joblog_fd, head, sizeof(head) - 1);
	if (error)
		die("--joblog %s: %s", name, strerror(-error));
}

/* The columns of GNU parallel. */
void log_job(struct job *job)
{
	struct run *run = job->run;
	struct text line = {0};
	char start[256];
	if (run->joblog_fd < 0)
		return;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	bool ran = job->started != 0;
	double since = ran ? (double)(now_ns() - job->started) / 1e9 : 0;
	double began = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - since;
	bool killed = job->outcome == OUTCOME_KILLED || job->outcome == OUTCOME_TIMEOUT;
	int status = job->outcome == OUTCOME_TIMEOUT ? -1
		     : killed			     ? 0
		     : job->outcome == OUTCOME_EXIT  ? job->code
						     : job_status(job);
	int n =
	    snprintf(start, sizeof(start), "%llu\t:\t%.3f\t%.3f\t%llu\t%llu\t%d\t%d\t", job->number, began,
		     ran ? (double)(job->ended - job->started) / 1e9 : 0,
		     (unsigned long long)(run->unit ? 0 : job->fed), (unsigned long long)job->written, status,
		     job->outcome == OUTCOME_TIMEOUT ? 15
		     : killed			     ? job->code
						     : 0);
	text_add(&line, start, (size_t)n);
	template_quoted(job, &line);
	for (size_t i = (size_t)n; i < line.length; i++) {
		if (line.bytes[i] == '\n')
			line.bytes[i] = ' ';
	}
	text_add(&line, "\n", 1);
	int error = write_all(run->joblog_fd, line.bytes, line.length);
	free(line.bytes);
	if (error) {
		say("--joblog %s: %s", run->o->joblog, strerror(-error));
		run_end(run, EXIT_ERROR, 0);
	}
}

static void say_stats(struct run *run)
{
	double seconds = (double)(now_ns() - run->began) / 1e9;
	char line[512];
	int n =
	    snprintf(line, sizeof(line),
		     "{\"command\":\"%s\",\"seconds\":%.6f,\"jobs\":%lu,\"failed\":%llu,\"bytes_in\":%lu,"
		     "\"bytes_out\":%lu,\"held_peak\":%zu,\"memory_limit\":%zu,\"rss_peak\":%zu,"
		     "\"cpu_seconds\":%.6f,\"cpu_seconds_commands\":%.6f,\"status\":%d}\n",
		     run->unit ? "map" : "pipe", seconds, atomic_load(&run->jobs_done), run->failures,
		     atomic_load(&run->bytes_in), atomic_load(&run->bytes_out), run->memory.peak,
		     run->memory.limit, resident_peak(), cpu_seconds(), cpu_seconds_commands(), run->status);
	stderr_lines(line, (size_t)n);
}

void log_close(struct run *run)
{
	if (run->joblog_fd >= 0)
		close(run->joblog_fd);
	if (run->o->stats)
		say_stats(run);
}

/* SPDX-License-Identifier: MIT */
/* --results DIR: what each job wrote, in DIR/NUMBER/stdout and DIR/NUMBER/stderr. */
#include "stream_say.h"
#include "stream_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_one(const char *directory, const char *name)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

void write_open_results(struct job *job)
{
	const char *results = job->run->o->results;
	char directory[4000];
	if (!results)
		return;
	int *fds[] = {&job->result_fd, &job->result_err_fd};
	for (int i = 0; i < 2; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
	}
	snprintf(directory, sizeof(directory), "%s/%llu", results, job->number);
	if (mkdir(directory, 0777) < 0 && errno != EEXIST) {
		say("--results %s: %s", directory, strerror(errno));
		run_end(job->run, EXIT_ERROR, 0);
	}
	job->result_fd = open_one(directory, "stdout");
	job->result_err_fd = open_one(directory, "stderr");
	if (job->result_fd < 0 || job->result_err_fd < 0) {
		say("--results %s: %s", directory, strerror(errno));
		run_end(job->run, EXIT_ERROR, 0);
	}
}
